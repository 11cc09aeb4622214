pytest docs/concurrency/timeouts.md
