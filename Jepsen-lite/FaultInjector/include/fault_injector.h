// Interposed calls.
