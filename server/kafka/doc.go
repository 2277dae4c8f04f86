// Package kafka asks a cluster everything that the console shows and tells it
// everything that the console changes, one file for each use case.
//
// It owns the connection to the cluster and speaks the Kafka protocol alone,
// so that the embedded cluster, Apache Kafka and others get the same pages. Its
// results are plain values: no type of the protocol leaves it. A part that
// failed is told beside the parts that did not. It may import franz-go and
// nothing of the console.
package kafka
