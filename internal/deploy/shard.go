package deploy

import (
	"math/bits"
	"unicode/utf8"
)

// ShardCount is how many parts the deployments of a store are divided into, so that several servers can share the work on them.
const ShardCount = 64

// Shards is a set of shards: bit n is shard n.
type Shards uint64

// AllShards is the set of all.
const AllShards = ^Shards(0)

// ShardOf is the shard of a deployment, from 0 to ShardCount-1. It is made of the identifier's last two characters, which are random, in a way
// that SQL can say too; identifiers have at least two.
func ShardOf(id string) int {
	last, n := utf8.DecodeLastRuneInString(id)
	before, _ := utf8.DecodeLastRuneInString(id[:len(id)-n])
	return (int(last)*37 + int(before)) % ShardCount
}

// Of reports whether the deployment's shard is in the set.
func (s Shards) Of(id string) bool { return s.Has(ShardOf(id)) }

// Has reports whether a shard is in the set.
func (s Shards) Has(shard int) bool { return s>>shard&1 == 1 }

// With is the set with one more.
func (s Shards) With(shard int) Shards { return s | 1<<shard }

// Len is how many there are in the set.
func (s Shards) Len() int { return bits.OnesCount64(uint64(s)) }
