package keyring

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"sotto/anon"
)

// named returns a name that nobody has, and drops it in the end.
func named(t *testing.T) string {
	t.Helper()
	name := "test-" + rand.Text()
	t.Cleanup(func() {
		if err := Drop(name); err != nil {
			require.ErrorIs(t, err, ErrNone)
		}
	})
	return name
}

func TestPutGetDrop(t *testing.T) {
	name := named(t)
	_, err := Get(name)
	require.ErrorIs(t, err, ErrNone)
	require.ErrorIs(t, Drop(name), ErrNone)
	for _, secret := range [][]byte{[]byte("correct horse"), {0}, bytes.Repeat([]byte{255}, MaxSecret)} {
		require.NoError(t, Put(name, anon.NewSecret(secret), 0))
		got, err := Get(name)
		require.NoError(t, err)
		require.Equal(t, secret, got.Expose(), "the last one counts")
	}
	require.NoError(t, Drop(name))
	_, err = Get(name)
	require.ErrorIs(t, err, ErrNone)
	require.ErrorIs(t, Put(name, anon.Secret{}, 0), ErrSize)
	require.ErrorIs(t, Put(name, anon.NewSecret(make([]byte, MaxSecret+1)), 0), ErrSize)
	require.Error(t, Put(name, anon.NewSecret([]byte("x")), -time.Second))
	require.Error(t, Put(name, anon.NewSecret([]byte("x")), 1<<62))
}

// line is what the kernel tells of a key to who may see it, "" for nothing.
func line(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile("/proc/keys")
	require.NoError(t, err)
	for l := range strings.Lines(string(raw)) {
		if strings.Contains(l, name) {
			return strings.Join(strings.Fields(l), " ")
		}
	}
	return ""
}

// inHand calls do while this thread possesses the key.
func inHand(t *testing.T, name string, do func(id int)) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	id, err := find(name)
	require.NoError(t, err)
	defer unlink(id, mine)
	do(id)
}

// Only who possesses it may do anything, nothing of it can be changed, and it
// has an end when it was given one.
func TestRights(t *testing.T) {
	name := named(t)
	require.NoError(t, Put(name, anon.NewSecret([]byte("correct horse")), time.Hour+time.Millisecond))
	inHand(t, name, func(id int) {
		told := strings.Fields(line(t, name))
		require.Len(t, told, 10)
		require.NotEqual(t, "perm", told[3], "its end")
		require.Equal(t, "1b000000", told[4], "possessor, user, group, others")
		require.Equal(t, []string{"user", Description(name) + ":"}, told[7:9])
		require.ErrorIs(t, unix.KeyctlSetperm(id, 0x3f3f3f3f), unix.EACCES)
		_, err := unix.KeyctlInt(unix.KEYCTL_SET_TIMEOUT, id, 0, 0, 0)
		require.ErrorIs(t, err, unix.EACCES)
	})
	require.NoError(t, Put(name, anon.NewSecret([]byte("correct horse")), 0))
	inHand(t, name, func(int) { require.Equal(t, []string{"perm", "1b000000"}, strings.Fields(line(t, name))[3:5]) })
}

// Nothing is left in the thread's keyring, where a later user of the thread
// would find it.
func TestThreadKeepsNothing(t *testing.T) {
	name := named(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	require.NoError(t, Put(name, anon.NewSecret([]byte("x")), 0))
	_, err := Get(name)
	require.NoError(t, err)
	_, err = unix.KeyctlSearch(mine, kind, Description(name), 0)
	require.ErrorIs(t, err, unix.ENOKEY)
}

func TestExpired(t *testing.T) {
	name := named(t)
	require.NoError(t, Put(name, anon.NewSecret([]byte("x")), time.Nanosecond))
	require.Eventually(t, func() bool {
		_, err := Get(name)
		if err != nil {
			require.ErrorIs(t, err, ErrNone)
		}
		return err != nil
	}, time.Minute, 50*time.Millisecond)
	require.NoError(t, Put(name, anon.NewSecret([]byte("y")), 0), "one that is over makes room")
	got, err := Get(name)
	require.NoError(t, err)
	require.Equal(t, "y", string(got.Expose()))
}

// What a program of the user put there that we would not have is no secret of ours.
func TestForeignKeys(t *testing.T) {
	name := named(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_, err := unix.AddKey(kind, Description(name), make([]byte, MaxSecret+1), own)
	require.NoError(t, err)
	_, err = Get(name)
	require.ErrorIs(t, err, ErrSize)
}

// The numbers of the kernel become what callers ask for.
func TestKinds(t *testing.T) {
	for errno, want := range map[unix.Errno]error{
		unix.ENOKEY: ErrNone, unix.EKEYEXPIRED: ErrNone, unix.EKEYREVOKED: ErrNone,
		unix.ENOSYS: ErrRefused, unix.EPERM: ErrRefused, unix.EDQUOT: unix.EDQUOT, unix.EACCES: unix.EACCES,
	} {
		err := alone("put", func() error { return errno })
		require.ErrorIs(t, err, want, errno)
		require.NotContains(t, fmt.Sprint(err), "sotto:")
	}
}
