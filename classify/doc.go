// Package classify says what flows are: which way they go, which applications
// are common enough to be studied, and which of their behaviour is their own.
// It is phase 5 of the paper, with the labels of its sections 2.2 and 2.3.
//
// # Terms
//
// The direction of a flow is Internal, Outbound, Inbound or NAT. [Paper] gives
// it by the paper's rule, RFC 1918 applied to both ends. [Strict] gives it by
// the best evidence at hand (the sensor's own word, the device's own addresses,
// its listening ports, the scopes of the addresses), says which that was, and
// knows Local, Multicast and Loopback besides.
//
// An application is prevalent if it has flows on more than a share of the
// devices; the paper takes more than 5 %. A [Census] counts all that is needed
// to say so, and what each filter leaves out.
//
// The [Support] of a behaviour is the devices that show it by the devices that
// could. Behaviour with enough of it is endogenous, the program's own; the rest
// is exogenous, likely caused by its user's input.
//
// A [Scorer] says how probable that is: the score is the probability that the share
// behind the sample is above the threshold, by Bayes' rule, with a [Prior] that is
// fitted to all of an application's endpoints. Where neither label is probable enough
// the endpoint is uncertain. [SuggestThreshold] says which threshold the counts
// themselves suggest, and [Sensitivity] how much the answer depends on it.
//
// # Use
//
//	var census classify.Census
//	labeler := classify.Strict{}
//	for rec, err := range flow.NewReader(file, name).All() {
//		if err != nil {
//			log.Print(err)
//			continue
//		}
//		census.Add(rec, labeler.Label(rec))
//	}
//	mac := classify.Only(flow.MacOS)
//	for _, step := range census.Funnel(mac, 0.05) {
//		fmt.Println(step.Filter, step.Removed, step.Left)
//	}
//	apps := census.Prevalent(mac, 0.05)
//
// # Accumulators
//
// [Census] and [Agreement] can be filled in shards, by goroutines or by
// machines, and merged in any order: the result, and its binary form, is that
// of one pass, to the byte. The binary form begins with its kind and version;
// what is damaged or of another version is an error. Forms written by version 1
// stay readable.
//
// # What it does not claim
//
// A direction is not proof of who opened a connection, unless its basis is
// native. NAT is not evidence of address translation: it is what is left over.
// Support over one day is blind to what a program does once a week, and devices
// of one enterprise share an image, a proxy and a portal, whose endpoints are
// common to most executions without being the program's. Endogenous is not
// benign. Directions are never guessed from well-known ports, so that results
// about ports are not built on guesses from ports.
package classify
