// Package bench measures a Kafka cluster through ordinary franz-go clients: how fast it takes records, how fast it
// gives them back, how long a record travels, and how long a server takes from its start to the first acknowledged
// record and the first console page. It works against any bootstrap address, and it never trusts a number that it
// did not check: what was acknowledged is read back, and count, checksum and order must agree.
//
// It owns the `logarium bench` command line. It may import franz-go and the HDR histogram, nothing of the engine or
// the console: the server under test is known by its address alone.
//
// Latencies are open loop: a record's clock starts at the moment it was due by the wished rate, not when the sender
// got round to sending it, so a server that stalls is charged for every record that it kept waiting
// ("coordinated omission"). At full speed there is no due time, and the clock starts when the record is handed to
// the client.
package bench
