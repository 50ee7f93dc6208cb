package enroll

// othersMatter says that a directory's mode tells who can write to it.
const othersMatter = false

// syncDirectory does nothing: the file system writes renames down by itself.
func syncDirectory(string) error { return nil }
