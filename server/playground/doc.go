// Package playground holds the producers and consumers that the console runs
// for its user: ordinary Kafka clients of this process, which reach a cluster
// by its bootstrap addresses as any other client does.
//
// It owns those clients, the topics they made and the record of which those
// are. It may import franz-go; it imports nothing of the engine.
package playground
