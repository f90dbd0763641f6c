// Reads a log of C2SP tlog-tiles with the packages of Go's checksum database.
//
// Arguments: the log's directory and its verifier key. It opens the checkpoint, computes the root
// from the tiles, checks entries against their proofs, and prints proofs for somebody else to check.
package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type directory string

func (d directory) Height() int { return 8 }

func (d directory) SaveTiles([]tlog.Tile, [][]byte) {}

func (d directory) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		// Go's paths have the height of tiles in them; C2SP's always are of height 8.
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(string(d), path))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

func (d directory) entry(index, size int64) []byte {
	width := size - index/256*256
	path := strings.Replace(tlog.Tile{H: 8, L: 0, N: index / 256, W: 256}.Path(), "tile/8/0/", "tile/entries/", 1)
	if width < 256 {
		path += fmt.Sprintf(".p/%d", width)
	}
	data, err := os.ReadFile(filepath.Join(string(d), path))
	check(err)
	for at := index / 256 * 256; ; at++ {
		length := int(data[0])<<8 | int(data[1])
		if at == index {
			return data[2 : 2+length]
		}
		data = data[2+length:]
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	log := directory(os.Args[1])
	verifier, err := note.NewVerifier(os.Args[2])
	check(err)
	data, err := os.ReadFile(filepath.Join(string(log), "checkpoint"))
	check(err)
	opened, err := note.Open(data, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	decoded, err := base64.StdEncoding.DecodeString(lines[2])
	check(err)
	var root tlog.Hash
	copy(root[:], decoded)
	tree := tlog.Tree{N: size, Hash: root}
	reader := tlog.TileHashReader(tree, log)
	computed, err := tlog.TreeHash(size, reader)
	check(err)
	if computed != root {
		check(fmt.Errorf("the tiles lead to another root"))
	}
	fmt.Printf("%d entries, root %s\n", size, hex.EncodeToString(root[:]))
	for _, index := range []int64{0, 1, 255, 256, 300, 65535, 65536, size - 1} {
		proof, err := tlog.ProveRecord(size, index, reader)
		check(err)
		entry := log.entry(index, size)
		leaf := tlog.Hash(sha256.Sum256(append([]byte{0}, entry...)))
		check(tlog.CheckRecord(proof, size, root, index, leaf))
		show("record", index, proof)
	}
	for _, old := range []int64{1, 5, 405, 65536, size - 1} {
		proof, err := tlog.ProveTree(size, old, reader)
		check(err)
		before, err := tlog.TreeHash(old, reader)
		check(err)
		check(tlog.CheckTree(proof, size, root, old, before))
		show("tree", old, proof)
	}
}

func show(what string, number int64, proof []tlog.Hash) {
	fmt.Printf("%s %d", what, number)
	for _, step := range proof {
		fmt.Printf(" %s", hex.EncodeToString(step[:]))
	}
	fmt.Println()
}
