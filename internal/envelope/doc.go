// Package envelope is the deployment specification that a server hands to a host, and the signed envelope around it.
//
// It owns the JSON of the specification with its validation ([Specification]), and PKCS#7 signing ([Signer]) and verifying ([Verify]) in the
// form that the official host agent accepts: PEM "PKCS7", SignedData with the content inside, RSA-SHA256, the signer's certificate inside.
// Server and agent share it, so that what one writes is what the other reads. It never talks to the network and never touches a file.
//
// A [Signer] is immutable and safe for concurrent use; so is everything else here.
package envelope

// Format names the encoding of a payload beside it in the protocol's GenericEnvelope.
type Format string

// The formats of a GenericEnvelope. A host accepts FormatText only from its own command line, never from a server.
const (
	FormatSigned Format = "PKCS7/JSON"
	FormatText   Format = "TEXT/JSON"
)

// MaxPayload is the length in characters that the protocol states for a payload; a server keeps a signed specification within it.
const MaxPayload = 8192
