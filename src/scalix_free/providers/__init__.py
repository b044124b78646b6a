"""Things that answer: each adapter here is a Backend, or runs one."""
