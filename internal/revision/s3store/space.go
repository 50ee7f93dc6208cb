package s3store

import "fmt"

// reserve sets room aside for content of a length, until release: an upload must not fill the disk on which the server's own database is too.
func (s *Store) reserve(length int64) (release func(), err error) {
	if length < 0 {
		return nil, refuse(InvalidArgument, "The length of the body is not known.")
	}
	if length > s.o.MaxObject {
		return nil, refuse(EntityTooLarge, "The content has %d bytes; an object may have %d.", length, s.o.MaxObject)
	}
	free, err := s.o.Free(s.o.Dir)
	if err != nil {
		return nil, fmt.Errorf("see how much room the disk has: %w", err)
	}
	s.reserved.Add(length)
	// What is written already of the others counts twice here, which errs on the safe side.
	if left := free - s.reserved.Load(); left < s.o.KeepFree {
		s.reserved.Add(-length)
		return nil, refuse(InsufficientCapacity, "The server's disk has %d bytes free, of which %d are kept free; delete old revisions or give it more space.", free, s.o.KeepFree)
	}
	return func() { s.reserved.Add(-length) }, nil
}
