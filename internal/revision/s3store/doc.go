// Package s3store keeps buckets and objects as files under one directory, with the semantics of S3: whole objects by key, ETags, uploads in
// parts, listings in key order.
//
// It owns the directory. An object is one file: its content, then what is known of it, so that one rename makes both visible; it is synced
// before and its directory after, so that what was acknowledged survives a crash and a crash leaves no half object. A file is named by the hash
// of its key, so that no key can leave the directory, collide with another in case or length, or be at once a file and a directory. The
// keys are in memory, in order; an object costs some hundred bytes there.
//
// The package knows no HTTP and no signature (see s3api) and decides nothing about callers. One process at a time may open a directory,
// unless all open it as Shared: then a lock of the file system orders them, and a file of changes says where to look again. A
// [Store] is safe for concurrent use and owns no goroutine; a reader goes on reading the object that it opened while that is replaced or
// deleted.
//
// Layout:
//
//	buckets/NAME/bucket.json       when the bucket was made, and whose it is
//	buckets/NAME/objects/SHA256    an object
//	uploads/ID/upload.json         an upload in parts, and what its object will be
//	uploads/ID/part-00001          a part, in the form of an object
//	lock, changes                  of processes that share the directory
//	tmp/                           what is being written or taken away; emptied when the store is opened
package s3store
