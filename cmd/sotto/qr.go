package main

import (
	"bytes"
	"fmt"

	"rsc.io/qr"
)

// quiet is the margin of a QR code in modules (ISO/IEC 18004, section 5.3.8).
const quiet = 4

// drawQR draws a QR code for a terminal, two rows of it a line. The colours are
// black on white, whatever those of the terminal are.
func drawQR(to *bytes.Buffer, text string) error {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return fmt.Errorf("draw the QR code: %w", err)
	}
	// Outside of itself a code is white.
	halves := map[[2]bool]string{{false, false}: " ", {true, false}: "▀", {false, true}: "▄", {true, true}: "█"}
	for y := -quiet; y < code.Size+quiet; y += 2 {
		to.WriteString("\x1b[30;107m")
		for x := -quiet; x < code.Size+quiet; x++ {
			to.WriteString(halves[[2]bool{code.Black(x, y), code.Black(x, y+1)}])
		}
		to.WriteString("\x1b[0m\n")
	}
	return nil
}
