//go:build linux && (amd64 || arm64)

package cage

import "golang.org/x/sys/unix"

// A seccomp filter is a classic BPF program over struct seccomp_data
// (include/uapi/linux/seccomp.h): the call's number at 0, the architecture at
// 4, six arguments of 64 bits at 16. Both our architectures are little-endian,
// so an argument's low half comes first.
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16
)

// cond holds when (half of argument & mask) == want, or when it is not so.
// Pointers behind arguments cannot be read by a filter, so no rule may depend
// on what they point to.
type cond struct {
	arg  uint32
	high bool // the upper 32 bits
	not  bool
	mask uint32
	want uint32
}

// rule allows a call when all conditions of one alternative hold. A rule
// without alternatives is bare; what that means is the list's to say.
type rule struct {
	number uint32
	any    [][]cond
}

// refusal answers a call with an error that is not worth an alarm.
type refusal struct {
	number uint32
	errno  uint32
}

// list is a filter before it is written down.
type list struct {
	rules    []rule
	refusals []refusal
	bare     uint32 // the action for rules without alternatives
	deny     uint32 // when no alternative of a rule holds
	other    uint32 // for calls without a rule
}

func jump(op uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, Jt: yes, Jf: no, K: k}
}

func load(off uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: off}
}

func give(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}

// alternative is one conjunction; it falls through when a condition fails.
func alternative(conds []cond) []unix.SockFilter {
	var p []unix.SockFilter
	for i, c := range conds {
		off := offArgs + 8*c.arg
		if c.high {
			off += 4
		}
		next, out := uint8(0), uint8(3*(len(conds)-1-i)+1)
		if c.not {
			next, out = out, next
		}
		p = append(p, load(off),
			unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: c.mask},
			jump(unix.BPF_JEQ, c.want, next, out))
	}
	return append(p, give(unix.SECCOMP_RET_ALLOW))
}

// x32 numbers are amd64's with this bit. No program of ours has a use for them.
const x32Bit = 0x40000000

// assemble writes the program. A call of another architecture kills the
// process: its numbers mean other calls, no honest code of ours makes one, and
// after one nothing that runs here is ours.
func assemble(arch uint32, l list) []unix.SockFilter {
	p := []unix.SockFilter{
		load(offArch),
		jump(unix.BPF_JEQ, arch, 1, 0),
		give(unix.SECCOMP_RET_KILL_PROCESS),
		load(offNumber),
		jump(unix.BPF_JGE, x32Bit, 0, 1),
		give(l.deny),
	}
	for _, r := range l.rules {
		if len(r.any) == 0 {
			p = append(p, jump(unix.BPF_JEQ, r.number, 0, 1), give(l.bare))
			continue
		}
		var body []unix.SockFilter
		for _, conds := range r.any {
			body = append(body, alternative(conds)...)
		}
		body = append(body, give(l.deny))
		p = append(p, jump(unix.BPF_JEQ, r.number, 0, uint8(len(body))))
		p = append(p, body...)
	}
	for _, r := range l.refusals {
		p = append(p, jump(unix.BPF_JEQ, r.number, 0, 1), give(unix.SECCOMP_RET_ERRNO|r.errno))
	}
	return append(p, give(l.other))
}
