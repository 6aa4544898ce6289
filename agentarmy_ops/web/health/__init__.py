"""Is the gateway alive, has it started, can it serve? What each check found, in bounded time."""
