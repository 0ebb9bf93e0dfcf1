// A member of hashicorp's own memberlist, as a MetalLB speaker in Go is one, for tests of ours against it.
//
// It prints one JSON object per line: {"event":"join","node":"a"} and so on. It obeys one command per line:
//
//	join ADDRESS    as MetalLB does at its start
//	leave           and say so to the others
//	send NODE TEXT  one user message by datagram
//
// Its end, and that of its standard input, is the end of the process.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

type line struct {
	Event string `json:"event"`
	Node  string `json:"node,omitempty"`
	Text  string `json:"text,omitempty"`
	Meta  string `json:"meta,omitempty"`
}

var output sync.Mutex

func say(l line) {
	output.Lock()
	defer output.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(l); err != nil {
		os.Exit(1)
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type events struct{}

func (events) NotifyJoin(n *memberlist.Node) {
	say(line{Event: "join", Node: n.Name, Meta: string(n.Meta)})
}
func (events) NotifyUpdate(n *memberlist.Node) {
	say(line{Event: "update", Node: n.Name, Meta: string(n.Meta)})
}

// It does not tell whether the node has left or is dead.
func (events) NotifyLeave(n *memberlist.Node) { say(line{Event: "loss", Node: n.Name}) }

func main() {
	name := flag.String("name", "", "name of this member")
	bind := flag.String("bind", "", "address of this member")
	port := flag.Int("port", 7946, "port of all members")
	secret := flag.String("secret", "", "what they share")
	compression := flag.Bool("compression", true, "whether to compress")
	label := flag.String("label", "", "which cluster it is")
	fast := flag.Bool("fast", false, "probe every 200 ms")
	flag.Parse()

	config := memberlist.DefaultLANConfig()
	config.Name = *name
	config.BindAddr, config.BindPort = *bind, *port
	config.AdvertisePort = *port
	config.Events = events{}
	config.EnableCompression = *compression
	config.Label = *label
	config.LogOutput = io.Discard
	if os.Getenv("LOG") != "" {
		config.LogOutput = os.Stderr
	}
	if *secret != "" {
		// As MetalLB's speaker has it since 0.16.2.
		key := sha256.Sum256([]byte(*secret))
		config.SecretKey = key[:]
	}
	if *fast {
		config.ProbeInterval, config.ProbeTimeout = 200*time.Millisecond, 100*time.Millisecond
		config.GossipInterval = 50 * time.Millisecond
		config.PushPullInterval = 2 * time.Second
	}
	members, err := memberlist.Create(config)
	fail(err)
	say(line{Event: "ready", Node: *name})

	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		words := strings.SplitN(commands.Text(), " ", 3)
		switch words[0] {
		case "join":
			count, err := members.Join(words[1:2])
			if err != nil {
				say(line{Event: "refused", Text: err.Error()})
			} else {
				say(line{Event: "joined", Text: fmt.Sprint(count)})
			}
		case "leave":
			fail(members.Leave(5 * time.Second))
			say(line{Event: "gone"})
		case "send":
			for _, node := range members.Members() {
				if node.Name == words[1] {
					fail(members.SendBestEffort(node, []byte(words[2])))
				}
			}
		default:
			fail(fmt.Errorf("unknown command %q", words[0]))
		}
	}
}
