package install

// glob tells whether a pattern, in which * is any number of characters and all others are themselves, matches a name.
func glob(pattern, name string) bool {
	at, star, resume := 0, -1, 0
	for i := 0; i < len(name); {
		switch {
		case at < len(pattern) && pattern[at] == '*':
			star, resume = at, i
			at++
		case at < len(pattern) && pattern[at] == name[i]:
			at++
			i++
		case star >= 0:
			resume++
			at, i = star+1, resume
		default:
			return false
		}
	}
	for at < len(pattern) && pattern[at] == '*' {
		at++
	}
	return at == len(pattern)
}
