package gc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/storage"
)

// The journal of a run says what it is going to move, before it moves anything:
//
//	regctl-trash 2 2026-01-02T03:04:05Z
//	B<tab>size<tab>repository<tab>name<tab>digest
//	…
//	end 2
//
// The n-th item lies at <n/100>/<n> beside the journal once it was moved. Where
// an item is says how far the run came. A journal without its last line is of a
// run that was killed before it moved anything.
const (
	journalName  = "journal"
	journalMagic = "regctl-trash 2 "
)

// errJournal is about a journal that cannot be understood. What lies beside it
// is left alone.
var errJournal = errors.New("the journal cannot be understood")

// prepareTrash makes the directories and the journal.
func (r *Run) prepareTrash(n int) error {
	r.name = r.trash.next(r.began)
	dir := trashDir + "/" + r.name
	if err := r.trash.mkdirAll(storage.StateDir); err != nil {
		return err
	}
	if err := r.trash.change("trash", r.name); err != nil {
		return err
	}
	if err := durable.MkdirAll(r.abs(trashDir), 0o700); err != nil {
		return err
	}
	if err := durable.MkdirAll(r.abs(dir), 0o700); err != nil {
		return err
	}
	var shards []string
	for shard := 0; shard*shardSize < n; shard++ {
		shards = append(shards, strconv.Itoa(shard))
	}
	if err := durable.MkdirEach(r.abs(dir), shards, 0o700); err != nil {
		return err
	}
	if err := r.trash.change("journal", r.name); err != nil {
		return err
	}
	if err := r.writeJournal(dir); err != nil {
		return err
	}
	return durable.SyncDir(r.abs(dir))
}

// writeJournal numbers what is planned and writes it down for good.
func (r *Run) writeJournal(dir string) (err error) {
	f, err := os.OpenFile(r.abs(dir+"/"+journalName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = closed
		}
	}()
	w := bufio.NewWriterSize(f, 1<<16)
	fmt.Fprintf(w, "%s%s\n", journalMagic, r.began.UTC().Format(time.RFC3339))
	n := int32(0)
	for _, k := range order {
		for i := range r.items[k] {
			it := &r.items[k][i]
			if it.state != planned {
				continue
			}
			it.number = n
			n++
			if err := writeItem(w, r.repoName(it), it); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(w, "end %d\n", n)
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Sync()
}

func writeItem(w *bufio.Writer, repository string, it *item) error {
	w.WriteByte(byte(it.kind))
	w.WriteByte('\t')
	var buf [20]byte
	w.Write(strconv.AppendInt(buf[:0], it.size, 10))
	w.WriteByte('\t')
	w.WriteString(repository)
	w.WriteByte('\t')
	w.WriteString(it.name)
	w.WriteByte('\t')
	w.WriteString(it.digest.String())
	return w.WriteByte('\n')
}

// readJournal calls visit for each item of a journal. It returns when the run
// began, and whether the journal is whole.
func readJournal(in io.Reader, visit func(repository string, it item) error) (began time.Time, whole bool, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 4096), 4096)
	if !lines.Scan() {
		return began, false, lines.Err()
	}
	stamp, ok := strings.CutPrefix(lines.Text(), journalMagic)
	if !ok {
		if strings.HasPrefix(journalMagic, lines.Text()) {
			return began, false, nil // not even the first line was written
		}
		return began, false, errJournal
	}
	if began, err = time.Parse(time.RFC3339, stamp); err != nil {
		if len(stamp) < len(time.RFC3339)-5 {
			return began, false, nil
		}
		return began, false, errJournal
	}
	n := int32(0)
	for lines.Scan() {
		if count, ok := strings.CutPrefix(lines.Text(), "end "); ok {
			if count != strconv.Itoa(int(n)) || lines.Scan() {
				return began, false, errJournal
			}
			return began, true, nil
		}
		repository, it, err := parseItem(lines.Text())
		if err != nil {
			// The last line of one that was killed while it was written.
			if !lines.Scan() {
				return began, false, nil
			}
			return began, false, err
		}
		it.number = n
		n++
		if err := visit(repository, it); err != nil {
			return began, false, err
		}
	}
	return began, false, lines.Err()
}

// parseItem reads a line and lets nothing pass that could lead elsewhere.
func parseItem(line string) (repository string, it item, err error) {
	fields := strings.Split(line, "\t")
	if len(fields) != 5 || len(fields[0]) != 1 {
		return "", it, errJournal
	}
	it.kind, repository, it.name = kind(fields[0][0]), fields[2], fields[3]
	if it.size, err = strconv.ParseInt(fields[1], 10, 64); err != nil {
		return "", it, errJournal
	}
	if fields[4] != "" {
		if it.digest, err = storage.ParseDigest(fields[4]); err != nil {
			return "", it, errJournal
		}
	}
	ok := false
	switch it.kind {
	case kindBlob:
		ok = !it.digest.IsZero()
	case kindRevision, kindLayer:
		ok = !it.digest.IsZero() && storage.ValidRepository(repository)
	case kindTag:
		ok = storage.ValidRepository(repository) && storage.ValidTag(it.name)
	case kindHistory:
		ok = !it.digest.IsZero() && storage.ValidRepository(repository) && storage.ValidTag(it.name)
	case kindUpload:
		ok = storage.ValidRepository(repository) && plainName(it.name)
	case kindRepository:
		name := it.name
		for _, own := range []string{"/_manifests", "/_layers", "/_uploads"} {
			name = strings.TrimSuffix(name, own)
		}
		ok = storage.ValidRepository(name)
	}
	if !ok {
		return "", it, errJournal
	}
	return repository, it, nil
}

// plainName tells a name that is one component of a path.
func plainName(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsAny(s, "/\x00\t\n")
}
