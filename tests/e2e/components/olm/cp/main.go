// cp copies one file, mode and all: of what upstream's image has from busybox, this is what the Operator Lifecycle
// Manager asks of it: `cp -Rv FROM TO` and `cp FROM TO`.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/otiai10/copy"
)

func main() {
	var paths []string
	for _, word := range os.Args[1:] {
		if !strings.HasPrefix(word, "-") {
			paths = append(paths, word)
		}
	}
	if len(paths) != 2 {
		fmt.Fprintln(os.Stderr, "usage: cp [-Rv] FROM TO")
		os.Exit(2)
	}
	if err := copy.Copy(paths[0], paths[1]); err != nil {
		fmt.Fprintln(os.Stderr, "cp:", err)
		os.Exit(1)
	}
}
