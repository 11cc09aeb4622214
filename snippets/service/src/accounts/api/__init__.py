"""What the service offers over HTTP."""
