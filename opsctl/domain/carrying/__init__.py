"""Where the values in a state machine come from: which of them are the run's input, carried on from state to state.

It is read from the definition, by following its data flow with values that say where they come from in place of those
that are only known in a run. `values` are these; `expressions` reads them out of fields in both query languages; `flow`
takes them through each kind of state; `evidence` is what histories tell of what a Task does with the run's input.
"""
