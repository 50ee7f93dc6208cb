// Package s3api speaks the part of the S3 protocol that the AWS tools use to bring revisions and that host agents use to fetch them, over an
// s3store.Store: buckets, objects with ranges and conditions, listings, uploads in parts, copies.
//
// It owns the routing (path style and virtual-host style on one endpoint), the XML, the headers and the checksums. It verifies no signature:
// the edge did, and gives it a body that judges itself while it is read; nothing is stored before all of a body was judged. What S3 has
// beyond this part is refused by name and never ignored. A bucket is for its own account only. A [Handler] is safe for concurrent use and owns
// no goroutine.
package s3api
