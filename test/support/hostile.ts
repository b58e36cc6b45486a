/** What code that took over a box would try, as shell. Each says `through` if it gets anywhere. */

/** Where things are that it must not reach. */
export interface Surroundings {
  /** Another person's box. */
  readonly box: string;
  /** The front services on the boxes' network. */
  readonly front: readonly string[];
  /** smtp-in, smtp-out, directory and resolver on their own network. */
  readonly services: { readonly smtpIn: string; readonly directory: string; readonly resolver: string };
  /** Addresses of the host. */
  readonly host: readonly string[];
  /** A port on which something of the host listens at each of them. */
  readonly hostPort: number;
}

export interface Attempt {
  readonly what: string;
  readonly script: string;
}

/** What listens at a TCP port counts; a refusal is an answer of the other side, and counts, too. Small: a box is. */
export function reach(address: string, ports: readonly number[]): string {
  return ports
    .map(
      (port) =>
        `{ said=$(timeout 2 bash -c '</dev/tcp/${address}/${port}' 2>&1) && echo "through to ${address}:${port}"; ` +
        `[[ $said != *refused* ]] || echo "through: refused by ${address}:${port}"; } &`,
    )
    .concat("wait")
    .join("\n");
}

const perl = (code: string): string => `perl -e '${code}'`;

/** An address for perl's `connect` and `send`. */
const at = (address: string, port: number): string =>
  `pack(q(SnC4x8),2,${port},${address.split(".").join(",")})`;

/** An answer to a datagram counts, and so does a refusal. What is sent is a question of DNS, for whoever knows that. */
export function reachUdp(address: string, port: number): string {
  const question = "pack(q(n6C3n2),7,256,1,0,0,0,1,120,0,1,1)";
  return perl(
    `socket(S,2,2,17); connect(S,${at(address, port)}); my ($r,$b)=(q());` +
      `for (1..2) { defined send(S,${question},0) or $! =~ /refused/ and print q(through: refused );` +
      "vec($r,fileno(S),1)=1; select($r,undef,undef,1) and (defined recv(S,$b,99,0) or $! =~ /refused/) and print q(through ) }",
  );
}

/** Any echo within two seconds counts; the kernel lets everybody ask for one (`ping_group_range`). */
export function echo(address: string): string {
  return perl(
    `socket(S,2,2,1); send(S,pack(q(C2n3a8),8,0,0,1,1,q(semail)),0,${at(address, 0)}); my $r=q();` +
      "vec($r,fileno(S),1)=1; select($r,undef,undef,2) and print q(through)",
  );
}

/** A box's ports, and the one of Dovecot's LMTP behind its door. */
const BOX_PORTS = [24, 26, 110, 143, 1024, 4190];
const FRONT_PORTS = [25, 143, 465, 587, 993, 4190, 8080, 10_025];

export function attempts(around: Surroundings): Attempt[] {
  const { box, front, services, host, hostPort } = around;
  return [
    { what: "another box", script: reach(box, BOX_PORTS) },
    ...front.map((address) => ({
      what: `a front service at ${address}`,
      script: reach(address, FRONT_PORTS),
    })),
    { what: "smtp-in on its own network", script: reach(services.smtpIn, [25, 8080]) },
    { what: "the directory", script: reach(services.directory, [389]) },
    { what: "the resolver", script: reach(services.resolver, [53]) },
    ...host.map((address) => ({ what: `the host at ${address}`, script: reach(address, [hostPort]) })),
    { what: "an echo of another box", script: echo(box) },
    ...front.map((address) => ({ what: `an echo of a front service at ${address}`, script: echo(address) })),
    ...host.map((address) => ({ what: `an echo of the host at ${address}`, script: echo(address) })),
    { what: "another box by a datagram", script: reachUdp(box, 9_999) },
    { what: "the resolver by a datagram", script: reachUdp(services.resolver, 53) },
    {
      what: "anybody over IPv6",
      script: "grep -qv ' lo$' /proc/net/if_inet6 && echo through",
    },
    { what: "the metadata service of a cloud", script: reach("169.254.169.254", [80]) },
    { what: "a name outside, through the engine", script: "getent hosts mx.example.org && echo through" },
    ...kernel,
    ...insides,
  ];
}

/**
 * vhangup, pivot_root, acct, settimeofday, mount, umount2, swapon, reboot, iopl, init_module, quotactl, clock_settime,
 * kexec_load, add_key, request_key, keyctl, unshare, perf_event_open, open_by_handle_at, setns, finit_module, bpf,
 * userfaultfd; by their numbers on x86-64.
 */
const HOSTS_CALLS = [
  153, 155, 163, 164, 165, 166, 167, 169, 172, 175, 179, 227, 246, 248, 249, 250, 272, 298, 304, 308, 313,
  321, 323,
];

/** 2: AF_INET, 17: AF_PACKET; 3: SOCK_RAW; 0x8916: SIOCSIFADDR; 101: ptrace, 16: PTRACE_ATTACH. */
const kernel: Attempt[] = [
  { what: "a raw socket, to forge addresses", script: perl("socket(S,2,3,1) and print q(through)") },
  { what: "a packet socket, to forge ARP", script: perl("socket(S,17,3,0x0608) and print q(through)") },
  {
    what: "another address for itself",
    script: perl(
      "socket(S,2,2,0); my $r=pack(q(a16Sna4x8),q(eth0),2,0,pack(q(C4),10,0,64,25)); ioctl(S,0x8916,$r) and print q(through)",
    ),
  },
  {
    what: "another hardware address, a route, the traffic of others",
    script: perl(
      "socket(S,2,2,0); for ([0x8924,q(a16Sa14x8),q(eth0),1,q(abcdef)],[0x890b,q(x120)],[0x8914,q(a16Sx22),q(eth0),0x1143])" +
        " { my ($c,$f,@a)=@$_; my $r=pack($f,@a); $!=0; ioctl(S,$c,$r); $! == 1 or print qq(through: $c $!\\n) }",
    ),
  },
  {
    // Refused, that is, whatever they are asked.
    what: "a system call for those who run a machine",
    script: perl(
      `for (${HOSTS_CALLS.join(",")}) { $!=0; syscall($_,0,0,0,0,0); $! == 1 or $! == 38 or print qq(through: $_ $!\\n) }`,
    ),
  },
  {
    what: "its own limits, made larger",
    script:
      "for f in $(find /sys/fs/cgroup '(' -name '*.max' -o -name '*limit_in_bytes' -o -name '*quota_us' -o -name cgroup.procs -o -name release_agent ')' | head -60); do { : >>$f; } 2>/dev/null && echo through: $f; done",
  },
  {
    what: "programs that the host's kernel starts, and its switches",
    script:
      "for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/overcommit_memory /proc/sys/net/ipv4/conf/all/proxy_arp /proc/sysrq-trigger /sys/kernel/uevent_helper; do [ ! -e $f ] || { : >>$f; } 2>/dev/null && [ -e $f ] && echo through: $f; done",
  },
  { what: "a user namespace, for rights in it", script: "unshare -Ur true && echo through" },
  { what: "a network namespace", script: "unshare -n true && echo through" },
  { what: "a mount", script: "mount -t tmpfs none /tmp && echo through" },
  { what: "its root made writable", script: "mount -o remount,rw / && echo through" },
  { what: "a device", script: "mknod /tmp/disk b 8 0 && echo through" },
  {
    what: "memory of the machine",
    script: "head -c 1 /proc/kcore && echo through; head -c 1 /dev/mem && echo through",
  },
  { what: "the kernel's log", script: "dmesg && echo through" },
  { what: "settings of the kernel", script: "echo 1 >/proc/sys/net/ipv4/ip_forward && echo through" },
  { what: "another user's rights", script: perl("$< = $> = 5001; print q(through) if $> == 5001") },
  {
    what: "the memory of another user's process",
    script: perl("exit if $> == (stat q(/proc/1))[4]; syscall(101,16,1,0,0) == 0 and print q(through)"),
  },
  {
    what: "processes of other boxes",
    script:
      "cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep '^BOX_USER=' | grep -vx BOX_USER=alice && echo through",
  },
];

const insides: Attempt[] = [
  {
    what: "programs of its own in the image",
    script: "for f in /etc/x /usr/local/bin/x /usr/bin/x; do touch $f && echo through; done",
  },
  {
    what: "programs in the folders that it can write to",
    script: "cp /bin/true /tmp/x && /tmp/x && echo through; cp /bin/true /run/x && /run/x && echo through",
  },
  { what: "the engine", script: "[ -e /var/run/docker.sock ] && echo through" },
  {
    what: "a process that gets more rights",
    script:
      "find / -xdev -perm /6000 -type f -exec test -x {} ';' -print | head -1 | grep -q . && grep -q '^NoNewPrivs:.0' /proc/self/status && echo through",
  },
  {
    what: "its own certificate as a front service's",
    script:
      "cp /run/door.pem /tmp/own.pem; (sleep 1; echo QUIT) | timeout 5 openssl s_client -connect 127.0.0.1:24 -cert /tmp/own.pem -key /tmp/own.pem -quiet 2>/dev/null | grep -a '^220' && echo through",
  },
];
