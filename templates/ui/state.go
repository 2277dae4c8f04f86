package ui

// stateKind is the colour of a group's state.
func stateKind(state string) string {
	switch state {
	case "Stable":
		return "ok"
	case "Empty":
		return "outline"
	case "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling":
		return "warn"
	case "Dead":
		return "bad"
	}
	return "outline"
}

// stateWords says what a group's state means.
func stateWords(state string) string {
	switch state {
	case "Stable":
		return "Every member has its partitions and reads."
	case "Empty":
		return "The group has no members; its committed offsets are kept."
	case "PreparingRebalance":
		return "Members are joining; nobody reads until all have joined."
	case "CompletingRebalance":
		return "Everybody has joined and waits for the assignment."
	case "Assigning":
		return "The coordinator works out the assignment."
	case "Reconciling":
		return "Members give up and take over partitions."
	case "Dead":
		return "The group is gone or being removed."
	}
	return "The cluster uses a state that the console does not know."
}
