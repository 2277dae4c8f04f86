package server

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/templates/page"
	"github.com/logarium/logarium/templates/ui"
)

// Limits of a plan that a form shows and carries; beyond, the cluster decides.
const (
	maxPlanned   = 1000
	maxPlanShown = 36
)

// planModel works out where the partitions of the form's topic would go.
func planModel(meta kafka.Metadata, m page.CreateTopicModel) page.PlanModel {
	partitions, factor := planNumber(m.Partitions, m.DefaultPartitions), planNumber(m.ReplicationFactor, m.DefaultReplication)
	if factor > 0 && len(meta.Brokers) > 0 && m.ReplicationFactor == "" {
		factor = min(factor, len(meta.Brokers))
	}
	switch {
	case partitions < 1 || factor < 1:
		return page.PlanModel{Why: "It shows once the numbers of partitions and copies are known."}
	case partitions > maxPlanned:
		return page.PlanModel{Why: fmt.Sprintf("Beyond %s partitions the cluster places them by itself.", ui.Count(maxPlanned))}
	}
	plan, err := kafka.PlanTopic(meta, partitions, factor)
	if err != nil {
		return page.PlanModel{Why: fmt.Sprintf("%s, and %s.", ui.Plural(factor, "copy needs as many brokers", "copies need as many brokers"),
			ui.Plural(len(meta.Brokers), "broker is there", "brokers are there"))}
	}
	out := page.PlanModel{Text: writePlan(plan), Warnings: planWarnings(meta, m, factor)}
	leads, holds := make(map[int32]int), make(map[int32]int)
	for p, replicas := range plan {
		row := page.PlanRow{Partition: p}
		for i, id := range replicas {
			holds[id]++
			row.Replicas = append(row.Replicas, ui.Replica{Broker: id, Place: meta.BrokerPlace(id), Leader: i == 0, InSync: true, Preferred: i == 0})
		}
		leads[replicas[0]]++
		if p < maxPlanShown {
			out.Rows = append(out.Rows, row)
		} else {
			out.More++
		}
	}
	out.Leads = "Each broker leads " + spanOf(meta, leads) + "."
	out.Holds = "Each holds " + spanOf(meta, holds) + " replicas."
	return out
}

func planNumber(own, byDefault string) int {
	n, _ := strconv.Atoi(cmp.Or(own, byDefault)) // no number is 0: no plan
	return n
}

// spanOf says how many each broker has, as "2" or "2 to 3".
func spanOf(meta kafka.Metadata, of map[int32]int) string {
	least, most := -1, 0
	for _, b := range meta.Brokers {
		n := of[b.ID]
		most = max(most, n)
		if least < 0 || n < least {
			least = n
		}
	}
	if least == most {
		return ui.Count(most)
	}
	return ui.Count(least) + " to " + ui.Count(most)
}

// planWarnings says what the numbers mean when a broker goes.
func planWarnings(meta kafka.Metadata, m page.CreateTopicModel, factor int) (list []string) {
	least := planNumber(m.MinInSync, m.DefaultMinInSync)
	switch {
	case least > factor:
		list = append(list, fmt.Sprintf("min.insync.replicas is %d and there are %d copies: nothing can be written with acks=all.", least, factor))
	case factor == 1 && len(meta.Brokers) > 1:
		list = append(list, "There is one copy of each partition: while its broker is away, it can be neither written nor read.")
	case least == factor && factor > 1:
		list = append(list, "Every copy has to be in sync: while any broker is away, producers with acks=all are refused.")
	}
	return list
}

// writePlan writes a plan into a form field: 1,2,3;2,3,1 and so on.
func writePlan(p kafka.Plan) string {
	var b strings.Builder
	for i, replicas := range p {
		if i > 0 {
			b.WriteByte(';')
		}
		for k, id := range replicas {
			if k > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.Itoa(int(id)))
		}
	}
	return b.String()
}

// readPlan reads what writePlan wrote. A plan that does not fit the topic, since
// its numbers were changed after it was shown, is none: the cluster decides.
func readPlan(text string, t kafka.NewTopic) kafka.Plan {
	if text == "" {
		return nil
	}
	var plan kafka.Plan
	for part := range strings.SplitSeq(text, ";") {
		var replicas []int32
		for id := range strings.SplitSeq(part, ",") {
			n, err := strconv.ParseInt(id, 10, 32)
			if err != nil || n < 0 || slices.Contains(replicas, int32(n)) {
				return nil
			}
			replicas = append(replicas, int32(n))
		}
		plan = append(plan, replicas)
		if len(plan) > maxPlanned || len(replicas) != len(plan[0]) {
			return nil
		}
	}
	if t.Partitions >= 0 && int(t.Partitions) != len(plan) || t.ReplicationFactor >= 0 && int(t.ReplicationFactor) != len(plan[0]) {
		return nil
	}
	return plan
}
