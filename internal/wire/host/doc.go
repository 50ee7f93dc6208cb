// Package host holds the wire types of the host command protocol: the 5 operations that host agents call. No public model describes them;
// they are generated from host.json beside the generator, which is written by hand after what the official agent sends and understands.
//
// The package does no I/O and knows nothing of what an operation means.
package host

//go:generate go run crossfade/internal/tools/wiregen -model ../../tools/wiregen/host.json -package host -out .
