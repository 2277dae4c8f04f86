package page

// orDash stands in for what is empty.
func orDash(s string) string {
	if s == "" {
		return "—"
	}
	return s
}

// topicsTrigger makes the list refresh at a change of topics. The lags of groups
// come after the page, since they take longer to find out.
func topicsTrigger(groups bool) string {
	const changes = "logarium:topics from:body, logarium:groups from:body, every 3s"
	if groups {
		return changes
	}
	return "load, " + changes
}

// invalid marks a field that did not pass.
func invalid(problem string) string {
	if problem != "" {
		return "true"
	}
	return "false"
}

// describedBy points from a field to its hint and its problem.
func describedBy(id, problem string) string {
	if problem != "" {
		return id + "-hint " + id + "-problem"
	}
	return id + "-hint"
}

// shownName stands in for a name that is empty.
func shownName(s string) string {
	if s == "" {
		return "(empty id)"
	}
	return s
}

// shownKey stands in for a header key that is empty.
func shownKey(s string) string {
	if s == "" {
		return "(empty key)"
	}
	return s
}

// orNone stands in for what is not there.
func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// timeTitle says who set a record's timestamp.
func timeTitle(r RecordRow) string {
	if r.AppendTime {
		return "set by the broker (LogAppendTime)"
	}
	return "set by the producer (CreateTime)"
}

// hasActs tells whether anything can be done with one of the brokers.
func hasActs(rows []BrokerRow) bool {
	for _, r := range rows {
		if len(r.Acts) > 0 {
			return true
		}
	}
	return false
}
