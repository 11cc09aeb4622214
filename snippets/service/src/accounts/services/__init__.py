"""What the service does, apart from how it is asked and where things are kept."""
