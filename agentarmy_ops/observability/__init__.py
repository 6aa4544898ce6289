"""What is going on: metrics, errors and health, of our own software and of the application's."""
