// Device memory is closed to the host: whoever touches it outside of a kernel dies on the spot. Protection
// keys open it for one thread and at once. Where the processor has none its pages stay closed, and what a
// kernel touches is opened piece by piece, by a handler of the fault, until the kernel has ended: to open all
// memory for each kernel would cost more than the kernels.
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <csignal>

#include "machine.h"

namespace software_cuda {
namespace {

constexpr std::size_t piece_bytes = 64 << 10;

struct Piece {
  char* begin;
  std::size_t bytes;
  int device;
};
std::vector<Piece> pieces;      // that are open
std::atomic_flag pieces_taken;  // several threads of a library may fault at once
struct sigaction before;        // what else looks at faults

struct PiecesTaken {
  PiecesTaken() {
    while (pieces_taken.test_and_set(std::memory_order_acquire)) {
    }
  }
  ~PiecesTaken() { pieces_taken.clear(std::memory_order_release); }
};

bool open_piece(const void* touched) {
  const Allocation* a = machine().find(touched);
  if (!a || a->device < 0 || !(machine().open >> a->device & 1)) return false;
  const auto from =
      static_cast<std::size_t>(static_cast<const char*>(touched) - a->pages) / piece_bytes * piece_bytes;
  const Piece piece{a->pages + from, std::min(piece_bytes, a->page_bytes - from), a->device};
  const PiecesTaken taken;
  pieces.push_back(piece);
  return ::mprotect(piece.begin, piece.bytes, PROT_READ | PROT_WRITE) == 0;
}

void on_fault(int signal, siginfo_t* info, void* context) {
  if (open_piece(info->si_addr)) return;
  if (before.sa_flags & SA_SIGINFO) return before.sa_sigaction(signal, info, context);
  ::sigaction(signal, &before, nullptr);  // it faults again
}

// Closes the open pieces that fulfil the condition.
template <class F> void close_pieces(F condition) {
  const PiecesTaken taken;
  const auto rest =
      std::partition(pieces.begin(), pieces.end(), [&](const Piece& p) { return !condition(p); });
  for (auto piece = rest; piece != pieces.end(); ++piece) ::mprotect(piece->begin, piece->bytes, PROT_NONE);
  pieces.erase(rest, pieces.end());
}

}  // namespace

void Machine::close_memory(const Allocation& a) {
  if (keys[a.device] >= 0) {
    ::pkey_mprotect(a.pages, a.page_bytes, PROT_READ | PROT_WRITE, keys[a.device]);
    return;
  }
  static const bool handled = [] {
    struct sigaction ours = {};
    ours.sa_sigaction = on_fault;
    ours.sa_flags = SA_SIGINFO;
    return ::sigaction(SIGSEGV, &ours, &before) == 0;
  }();
  if (handled) ::mprotect(a.pages, a.page_bytes, PROT_NONE);
}

void Machine::forget_memory(const Allocation& a) {
  close_pieces([&](const Piece& p) { return p.begin >= a.pages && p.begin < a.pages + a.page_bytes; });
}

void Machine::open_memory(std::uint32_t wanted) {
  const std::uint32_t changes = open ^ wanted, closes = open & ~wanted;
  open = wanted;
  for (int device = 0; device < devices; ++device)
    if (changes >> device & 1 && keys[device] >= 0)
      ::pkey_set(keys[device], wanted >> device & 1 ? 0 : PKEY_DISABLE_ACCESS);
  if (closes != 0) close_pieces([&](const Piece& p) { return closes >> p.device & 1; });
}

}  // namespace software_cuda
