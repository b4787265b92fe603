// Lets the compiler accept the functions of decide_test.go that have no body (go:linkname).
