// Package backup writes all that a server must not lose into one file, while the server runs, and makes a data directory of such a file.
//
// The file is a tar: first the database as it was at one moment, then the data directory (keys, the authority, bundles, the audit log, what fleets
// started), and last a manifest with the size and the SHA-256 of each. The database is taken before the bundles are, and bundles are written before the
// database names them, so whatever bundle the copy of the database needs is there. What another backup would bring back to life in a wrong state is
// left out: locks, uploads under way, temporary files.
//
// It owns the form of the file, and that a restore writes nothing before all of the file has been checked and never over anything that is there. How a
// database is copied is behind [Database]. The file has every secret of the server, so only its owner can read it. The functions keep no state.
package backup
