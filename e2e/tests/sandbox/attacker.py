# What every attacker may use. An attempt is told as `what: how it went`, where that is `done` or the name of an error.
import ctypes, errno, os, socket, struct, sys

libc = ctypes.CDLL(None, use_errno=True)
X86 = os.uname().machine == "x86_64"


def attempt(what, try_it):
    try:
        outcome = try_it()
        print(f"{what}: {'done' if outcome in (None, True) else outcome}", flush=True)
    except OSError as error:
        print(f"{what}: {errno.errorcode.get(error.errno, error)}", flush=True)


def syscall(x86, arm, *arguments):
    ctypes.set_errno(0)
    if libc.syscall(x86 if X86 else arm, *[ctypes.c_long(it) if isinstance(it, int) else it for it in arguments]) < 0:
        raise OSError(ctypes.get_errno(), "")


def connect(host, port, kind=socket.SOCK_STREAM):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as it:
        it.settimeout(3)
        it.connect((host, port))
        it.send(b"let me out")


def resolve(name):
    try:
        return socket.getaddrinfo(name, 443)
    except socket.gaierror as error:
        return f"no address ({'temporary' if error.errno == socket.EAI_AGAIN else 'unknown'})"
