package identity

// onlyOwnerMatters is false: access is not in the mode on Windows.
const onlyOwnerMatters = false
