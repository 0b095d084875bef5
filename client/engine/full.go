package engine

import "syscall"

var fullErrors = []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}
