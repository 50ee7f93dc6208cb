package store

// Inspection is what an operator may know of a database without a server: what it is, what it has, and whether it is whole.
type Inspection struct {
	// Schema is the version that the database has, and Known the one that this Crossfade makes of it. 0: there is none.
	Schema int64       `json:"schema"`
	Known  int64       `json:"known"`
	Tables []TableSize `json:"tables"` // by name
	// Problems say what is not as it must be, a sentence each.
	Problems []string `json:"problems"`
}

// TableSize is a table with the number of its rows.
type TableSize struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
}
