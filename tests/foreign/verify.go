// Verify a Riad ledger with Go's own code for transparency logs, golang.org/x/mod/sumdb: none of it is Riad's.
//
//	verify receipt KEY RECEIPT        a receipt file (C2SP tlog-proof), offline
//	verify log KEY URL [CHECKPOINT…]  every entry of the log served at URL; that it extends older checkpoints
//
// KEY is a file with the log's public key, as `riad ledger key` prints it. Exit status: 0 good, 1 not, 2 wrong usage.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8 // of a tile: 256 hashes

func main() {
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 3 && args[0] == "receipt":
		err = verifyReceipt(args[1], args[2])
	case len(args) >= 3 && args[0] == "log":
		err = verifyLog(args[1], args[2], args[3:])
	default:
		fmt.Fprintln(os.Stderr, "usage: verify receipt KEY RECEIPT | verify log KEY URL [CHECKPOINT…]")
		os.Exit(2)
	}
	if err != nil {
		fmt.Println("BAD:", err)
		os.Exit(1)
	}
}

func verifyReceipt(key, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, signed, found := strings.Cut(string(data), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" ||
		!strings.HasPrefix(lines[1], "extra ") || !strings.HasPrefix(lines[2], "index ") {
		return errors.New("not a receipt with its entry")
	}
	entry, err := base64.StdEncoding.Strict().DecodeString(lines[1][len("extra "):])
	if err != nil {
		return err
	}
	index, err := strconv.ParseInt(lines[2][len("index "):], 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	tree, err := openCheckpoint(key, []byte(signed))
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
		return err
	}
	fmt.Printf("GOOD: entry %d of %d\n%s\n", index, tree.N, entry)
	return nil
}

func verifyLog(key, url string, older []string) error {
	url = strings.TrimSuffix(url, "/") + "/"
	signed, err := fetch(url + "checkpoint")
	if err != nil {
		return err
	}
	tree, err := openCheckpoint(key, signed)
	if err != nil {
		return err
	}
	// What comes out of this reader has been verified up to the signed root.
	hashes := tlog.TileHashReader(tree, tiles(url))
	for _, file := range older {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		old, err := openCheckpoint(key, data)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveTree(tree.N, old.N, hashes)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
			return fmt.Errorf("the log of %d entries does not extend that of %d: %w", tree.N, old.N, err)
		}
		fmt.Printf("the log of %d entries extends that of %d\n", tree.N, old.N)
	}
	for start := int64(0); start < tree.N; start += 1 << height {
		if err := verifyEntries(url, tree.N, start, hashes); err != nil {
			return err
		}
	}
	fmt.Printf("GOOD: %d entries\n", tree.N)
	return nil
}

// verifyEntries compares a bundle of entries with their hashes in the verified tree.
func verifyEntries(url string, size, start int64, hashes tlog.HashReader) error {
	count := size - start
	if count > 1<<height {
		count = 1 << height
	}
	bundle := tlog.Tile{H: height, L: -1, N: start >> height, W: int(count)}
	data, err := fetch(url + path(bundle))
	if err != nil {
		return err
	}
	indexes := make([]int64, count)
	for i := range indexes {
		indexes[i] = tlog.StoredHashIndex(0, start+int64(i))
	}
	want, err := hashes.ReadHashes(indexes)
	if err != nil {
		return err
	}
	for i := range want {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return fmt.Errorf("the entries end before %d", start+int64(i))
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		if tlog.RecordHash(data[2:end]) != want[i] {
			return fmt.Errorf("entry %d is not what was logged", start+int64(i))
		}
		data = data[end:]
	}
	if len(data) > 0 {
		return fmt.Errorf("more entries than %d", start+count)
	}
	return nil
}

// openCheckpoint verifies a checkpoint: that one of the keys signed it, and that it is of the log they are named after.
func openCheckpoint(key string, signed []byte) (tree tlog.Tree, err error) {
	text, err := os.ReadFile(key)
	if err != nil {
		return tree, err
	}
	var known []note.Verifier
	for _, vkey := range strings.Fields(string(text)) {
		verifier, err := note.NewVerifier(vkey)
		if err != nil {
			return tree, err
		}
		known = append(known, verifier)
	}
	opened, err := note.Open(signed, note.VerifierList(known...))
	if err != nil {
		return tree, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != opened.Sigs[0].Name {
		return tree, errors.New("not a checkpoint of this log")
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

// tiles reads C2SP tlog-tiles from an address.
type tiles string

func (url tiles) Height() int                     { return height }
func (url tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (url tiles) ReadTiles(wanted []tlog.Tile) (all [][]byte, err error) {
	for _, tile := range wanted {
		data, err := fetch(string(url) + path(tile))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

// path is where C2SP tlog-tiles has a tile: as in Go's checksum database, less the height, and entries for data.
func path(tile tlog.Tile) string {
	level, number, _ := strings.Cut(strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height)), "/")
	if level == "data" {
		level = "entries"
	}
	return "tile/" + level + "/" + number
}

func fetch(url string) ([]byte, error) {
	answer, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, answer.Status)
	}
	return io.ReadAll(answer.Body)
}
