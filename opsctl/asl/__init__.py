"""Amazon States Language: parse and validate definitions, walk executions. Pure: no I/O, no clock, no threads.

`validate.parse` reads a definition, `interpreter.Execution` walks it, `history.read_history` reads what a walk wrote.
"""
