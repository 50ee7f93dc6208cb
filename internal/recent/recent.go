// Package recent remembers what was used recently, in bounded memory.
//
// It owns a map of two generations: when the younger one is full it becomes the older, and what was not asked for during a whole generation is
// forgotten. So what is in use stays, without a list to keep in order at each look-up. It knows nothing of time: when something must not be used any
// more, its users say. A [Map] is safe for concurrent use and starts no goroutine.
package recent

import "sync"

// Map remembers values by key. The zero value is not usable; see New.
type Map[K comparable, V any] struct {
	half int

	mu         sync.RWMutex
	young, old map[K]V
}

// New makes a Map of at most that many entries, or two if that is less.
func New[K comparable, V any](most int) *Map[K, V] {
	return &Map[K, V]{half: max(1, most/2), young: map[K]V{}}
}

// Get finds a value.
func (m *Map[K, V]) Get(key K) (V, bool) {
	m.mu.RLock()
	v, ok := m.young[key]
	if ok {
		m.mu.RUnlock()
		return v, true
	}
	_, ok = m.old[key]
	m.mu.RUnlock()
	if !ok {
		return v, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.find(key)
}

// find looks in both generations and makes what it finds one of the younger. It runs under mu.
func (m *Map[K, V]) find(key K) (V, bool) {
	v, ok := m.young[key]
	if ok {
		return v, true
	}
	if v, ok = m.old[key]; ok {
		m.put(key, v)
	}
	return v, ok
}

// GetOr finds a value, or keeps what fresh makes. fresh is called at most once, and nobody else is served meanwhile.
func (m *Map[K, V]) GetOr(key K, fresh func() V) V {
	if v, ok := m.Get(key); ok {
		return v
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.find(key)
	if !ok {
		v = fresh()
		m.put(key, v)
	}
	return v
}

// Put keeps a value in place of the one before it.
func (m *Map[K, V]) Put(key K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(key, v)
}

func (m *Map[K, V]) put(key K, v V) {
	delete(m.old, key)
	if _, there := m.young[key]; !there && len(m.young) >= m.half {
		m.young, m.old = map[K]V{}, m.young
	}
	m.young[key] = v
}

// Delete forgets a value.
func (m *Map[K, V]) Delete(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.young, key)
	delete(m.old, key)
}

// Clear forgets everything.
func (m *Map[K, V]) Clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.young, m.old = map[K]V{}, nil
}

// Len is how many values there are.
func (m *Map[K, V]) Len() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.young) + len(m.old)
}
