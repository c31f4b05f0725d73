"""Break everything on purpose, in the interpreter: every fault of every state, alone and in pairs."""
