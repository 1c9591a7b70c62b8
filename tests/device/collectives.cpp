// Where the ranks of a communicator meet. Everything is read before anything is written, so operations in
// place need no care; sums are in double, in the order of the ranks, and rounded once.
#include "collectives.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "elements.h"
#include "machine.h"

namespace software_cuda {
namespace {

std::vector<std::shared_ptr<Meeting>> meetings;  // that are not over

// A buffer of a collective that runs: others may not touch what it writes, nor write what it reads.
struct InFlight {
  std::uintptr_t begin;
  std::size_t bytes;
  bool written;
  const Meeting* meeting;
  int rank;
};
std::vector<InFlight> in_flight;

const char* name_of(Collective kind) {
  constexpr const char* names[] = {"ncclAllReduce", "ncclReduce",        "ncclBroadcast",
                                   "ncclAllGather", "ncclReduceScatter", "ncclSend and ncclRecv"};
  return names[static_cast<int>(kind)];
}
bool reduces(Collective kind) {
  return kind == Collective::all_reduce || kind == Collective::reduce || kind == Collective::reduce_scatter;
}

using Bytes = std::vector<unsigned char>;

template <class T> T combined(T a, T b, ncclRedOp_t op) {
  switch (op) {
    case ncclProd: return static_cast<T>(a * b);
    case ncclMax: return a > b || a != a ? a : b;
    case ncclMin: return a < b || a != a ? a : b;
    default: return static_cast<T>(a + b);
  }
}
// W is what is computed in: of integers the unsigned type as wide, which wraps as they do, where signs do not
// matter.
template <class T, class W> Bytes reduced(const std::vector<Bytes>& all, ncclRedOp_t op) {
  Bytes result(all[0].size());
  const auto at = [](const Bytes& from, std::size_t i) {
    T value;
    std::memcpy(&value, from.data() + i * sizeof value, sizeof value);
    return value;
  };
  for (std::size_t i = 0; i < result.size() / sizeof(T); ++i) {
    T value = at(all[0], i);
    for (std::size_t rank = 1; rank < all.size(); ++rank) {
      if (op == ncclMax || op == ncclMin)
        value = combined(value, at(all[rank], i), op);
      else
        value = static_cast<T>(combined(static_cast<W>(value), static_cast<W>(at(all[rank], i)), op));
    }
    if (op == ncclAvg) value = static_cast<T>(value / static_cast<T>(all.size()));
    std::memcpy(result.data() + i * sizeof value, &value, sizeof value);
  }
  return result;
}
Bytes reduced_floats(const std::vector<Bytes>& all, ncclRedOp_t op, cudaDataType_t type) {
  Bytes result(all[0].size());
  for (std::int64_t i = 0; i * element_bytes(type) < static_cast<std::int64_t>(result.size()); ++i) {
    double value = get_host(all[0].data(), type, i);
    for (std::size_t rank = 1; rank < all.size(); ++rank)
      value = combined(value, get_host(all[rank].data(), type, i), op);
    if (op == ncclAvg) value /= static_cast<double>(all.size());
    put_host(result.data(), type, i, value);
  }
  return result;
}
Bytes reduced(const std::vector<Bytes>& all, const Call& call) {
  switch (call.type) {
    case ncclInt8: return reduced<std::int8_t, std::uint32_t>(all, call.op);
    case ncclUint8: return reduced<std::uint8_t, std::uint32_t>(all, call.op);
    case ncclInt32: return reduced<std::int32_t, std::uint32_t>(all, call.op);
    case ncclUint32: return reduced<std::uint32_t, std::uint32_t>(all, call.op);
    case ncclInt64: return reduced<std::int64_t, std::uint64_t>(all, call.op);
    case ncclUint64: return reduced<std::uint64_t, std::uint64_t>(all, call.op);
    case ncclFloat16: return reduced_floats(all, call.op, CUDA_R_16F);
    case ncclFloat64: return reduced_floats(all, call.op, CUDA_R_64F);
    case ncclBfloat16: return reduced_floats(all, call.op, CUDA_R_16BF);
    default: return reduced_floats(all, call.op, CUDA_R_32F);
  }
}

}  // namespace

std::size_t bytes_of(ncclDataType_t type) {
  constexpr std::size_t bytes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};
  const auto index = static_cast<std::size_t>(type);
  return index < std::size(bytes) ? bytes[index] : 0;
}
std::size_t send_bytes(const Call& c, int ranks, int rank) {
  const std::size_t one = c.count * bytes_of(c.type);
  if (c.kind == Collective::broadcast && rank != c.root) return 0;
  if (c.kind == Collective::transfer && !c.send) return 0;
  return c.kind == Collective::reduce_scatter ? one * static_cast<std::size_t>(ranks) : one;
}
std::size_t recv_bytes(const Call& c, int ranks, int rank) {
  const std::size_t one = c.count * bytes_of(c.type);
  if (c.kind == Collective::reduce && rank != c.root) return 0;
  if (c.kind == Collective::transfer && !c.recv) return 0;
  return c.kind == Collective::all_gather ? one * static_cast<std::size_t>(ranks) : one;
}

std::string Call::text() const {
  constexpr const char* types[] = {"int8",   "uint8", "int32", "uint32", "int64",
                                   "uint64", "half",  "float", "double", "bfloat16"};
  constexpr const char* ops[] = {"sum", "product", "maximum", "minimum", "average"};
  std::string said = std::string(name_of(kind)) + " of " + std::to_string(count) + " " + types[type];
  if (reduces(kind)) said += std::string(", ") + ops[op];
  if (root >= 0) said += (kind == Collective::transfer ? ", peer " : ", root ") + std::to_string(root);
  return said;
}

namespace {

bool awaits_post(const Meeting& m, std::size_t place) {
  return !m.arrived[place] && m.clique->elsewhere[static_cast<std::size_t>(m.ranks[place])];
}
// What a rank of this process has to tell: its call, how many collectives it needs no more, what it sends.
void post(Meeting& m, std::size_t place) {
  Clique& clique = *m.clique;
  const Call& call = m.calls[place];
  const int rank = m.ranks[place];
  std::string sent(send_bytes(call, clique.size, rank), ' ');
  if (!sent.empty()) {
    machine().open_memory(1u << clique.devices[static_cast<std::size_t>(rank)]);
    library_reads(call.send, sent.size());
    std::memcpy(sent.data(), call.send, sent.size());
  }
  std::uint64_t done = clique.calls[static_cast<std::size_t>(rank)];
  for (const auto& other : meetings)
    if (other->clique.get() == &clique) done = std::min(done, other->number);
  clique.posts->put(rank, std::to_string(m.number), call.text() + "\n" + std::to_string(done) + "\n" + sent);
  std::deque<std::uint64_t>& posted = clique.posted[static_cast<std::size_t>(rank)];
  posted.push_back(m.number);
  std::uint64_t needed = m.number;
  for (std::size_t other = 0; other < clique.elsewhere.size(); ++other)
    if (clique.elsewhere[other]) needed = std::min(needed, clique.done[other]);
  for (; posted.front() < needed; posted.pop_front())
    clique.posts->remove(rank, std::to_string(posted.front()));
}

// Whether something has come of what this collective waits for; the end of a process is something too.
bool look_for_posts(Meeting& m) {
  bool any = false;
  for (std::size_t place = 0; place < m.ranks.size() && !m.over; ++place) {
    if (!awaits_post(m, place)) continue;
    Clique& clique = *m.clique;
    const int rank = m.ranks[place];
    const bool lives = clique.posts->lives(rank);  // before: what it posted last counts
    const auto text = clique.posts->get(rank, std::to_string(m.number));
    if (!text && lives) continue;
    any = true;
    machine().tell();
    if (!text) {
      give_up_meetings(&clique);
      break;
    }
    const std::size_t line = text->find('\n'), second = text->find('\n', line + 1);
    clique.done[static_cast<std::size_t>(rank)] = std::stoull(text->substr(line + 1));
    m.told[place] = text->substr(second + 1);
    m.asked[place] = m.arrived[place] = 1;
    for (std::size_t here = 0; here < m.ranks.size(); ++here) {
      if (!m.asked[here] || clique.elsewhere[static_cast<std::size_t>(m.ranks[here])]) continue;
      const std::string theirs = text->substr(0, line), ours = m.calls[here].text();
      if (theirs == ours) continue;
      report(m.name + ": rank " + std::to_string(rank) + " asks for " + theirs + ", rank " +
             std::to_string(m.ranks[here]) + " for " + ours);
      clique.broken = true;
      break;
    }
  }
  return any;
}

}  // namespace

bool awaits_posts() {
  for (const auto& m : meetings)
    for (std::size_t place = 0; place < m->ranks.size(); ++place)
      if (awaits_post(*m, place)) return true;
  return false;
}
bool look_for_posts() {
  bool any = false;
  for (const auto& m : std::vector(meetings)) any = look_for_posts(*m) || any;
  return any;
}

bool Meeting::all_arrived() {
  if (!over) look_for_posts(*this);
  return over || std::all_of(arrived.begin(), arrived.end(), [](char here) { return here != 0; });
}

std::pair<std::shared_ptr<Meeting>, std::size_t> join(const std::shared_ptr<Clique>& clique, int rank,
                                                      const Call& asked) {
  const bool transfer = asked.kind == Collective::transfer;
  Call call = asked;
  std::vector<int> ranks;
  std::size_t place = static_cast<std::size_t>(rank);
  std::uint64_t number = 0;
  std::shared_ptr<Meeting> found;
  std::string name = "of a communicator of " + std::to_string(clique->size) + " ranks";
  if (transfer) {
    ranks = call.send ? std::vector{rank, call.root} : std::vector{call.root, rank};
    place = call.send ? 0 : 1;
    call.root = -1;
    name = "ncclSend from rank " + std::to_string(ranks[0]) + " to rank " + std::to_string(ranks[1]) + " " +
           name;
    for (const auto& one : clique->transfers[{ranks[0], ranks[1]}])
      if (!found && !one->asked[place]) found = one;
  } else {
    for (int r = 0; r < clique->size; ++r) ranks.push_back(r);
    number = clique->calls[place]++;
    name = "collective " + std::to_string(number) + " " + name;
    if (const auto at = clique->open.find(number); at != clique->open.end()) found = at->second;
  }
  if (!found) {
    const std::vector<char> none(ranks.size());
    found = std::make_shared<Meeting>(Meeting{clique, name, ranks, std::vector<Call>(ranks.size(), call),
                                              none, none, number, std::vector<std::string>(ranks.size())});
    meetings.push_back(found);
    if (transfer)
      clique->transfers[{ranks[0], ranks[1]}].push_back(found);
    else
      clique->open[number] = found;
  }
  for (std::size_t other = 0; other < ranks.size(); ++other) {
    if (!found->asked[other] || clique->elsewhere[static_cast<std::size_t>(ranks[other])] ||
        found->calls[other].text() == call.text())
      continue;
    report(name + ": rank " + std::to_string(rank) + " asks for " + call.text() + ", rank " +
           std::to_string(ranks[other]) + " for " + found->calls[other].text());
    clique->broken = true;
    break;
  }
  found->calls[place] = call;
  found->asked[place] = 1;
  if (std::all_of(found->asked.begin(), found->asked.end(), [](char a) { return a != 0; })) {
    if (transfer)
      std::erase(clique->transfers[{ranks[0], ranks[1]}], found);
    else
      clique->open.erase(number);
  }
  return {found, place};
}

void arrive(Meeting& m, std::size_t place) {
  m.arrived[place] = 1;
  const Call& call = m.calls[place];
  const int rank = m.ranks[place];
  const std::vector<char>& elsewhere = m.clique->elsewhere;
  if (std::find(elsewhere.begin(), elsewhere.end(), 1) != elsewhere.end()) post(m, place);
  const auto use = [&](const void* begin, std::size_t bytes, bool written) {
    if (bytes > 0) in_flight.push_back({reinterpret_cast<std::uintptr_t>(begin), bytes, written, &m, rank});
  };
  use(call.send, send_bytes(call, m.clique->size, rank), false);
  use(call.recv, recv_bytes(call, m.clique->size, rank), true);
  anything_in_flight = !in_flight.empty();
}

void finish(Meeting& m) {
  if (std::exchange(m.over, true)) return;
  std::erase_if(in_flight, [&](const InFlight& f) { return f.meeting == &m; });
  anything_in_flight = !in_flight.empty();
  std::uint32_t devices = 0;
  const auto elsewhere = [&](std::size_t i) {
    return m.clique->elsewhere[static_cast<std::size_t>(m.ranks[i])] != 0;
  };
  for (std::size_t i = 0; i < m.ranks.size(); ++i)
    if (!elsewhere(i)) devices |= 1u << m.clique->devices[static_cast<std::size_t>(m.ranks[i])];
  machine().open_memory(devices);
  const int size = m.clique->size;
  std::vector<Bytes> sent;
  for (std::size_t i = 0; i < m.ranks.size(); ++i) {
    if (elsewhere(i)) {
      sent.emplace_back(m.told[i].begin(), m.told[i].end());
      continue;
    }
    const std::size_t bytes = send_bytes(m.calls[i], size, m.ranks[i]);
    sent.emplace_back(bytes);
    if (bytes == 0) continue;
    library_reads(m.calls[i].send, bytes);
    std::memcpy(sent.back().data(), m.calls[i].send, bytes);
  }
  const Call& call = m.calls[static_cast<std::size_t>(
      std::find(m.clique->elsewhere.begin(), m.clique->elsewhere.end(), 0) - m.clique->elsewhere.begin())];
  Bytes all;  // of which each rank gets all or its part
  if (reduces(call.kind)) {
    all = reduced(sent, call);
  } else if (call.kind == Collective::broadcast) {
    all = sent[static_cast<std::size_t>(call.root)];
  } else {
    for (const Bytes& one : sent) all.insert(all.end(), one.begin(), one.end());
  }
  for (std::size_t i = 0; i < m.ranks.size(); ++i) {
    const std::size_t bytes = recv_bytes(m.calls[i], size, m.ranks[i]);
    if (bytes == 0 || elsewhere(i) || machine().failure != cudaSuccess) continue;
    const std::size_t from = call.kind == Collective::reduce_scatter ? i * bytes : 0;
    library_writes(m.calls[i].recv, bytes);
    std::memcpy(m.calls[i].recv, all.data() + from, bytes);
  }
  std::erase_if(meetings, [&](const auto& one) { return one.get() == &m; });
}

bool anything_in_flight = false;
std::string in_flight_conflict(std::uintptr_t address, std::size_t bytes, bool write) {
  for (const InFlight& f : in_flight) {
    if (address >= f.begin + f.bytes || f.begin >= address + bytes || (!write && !f.written)) continue;
    std::size_t place = 0;
    while (f.meeting->ranks[place] != f.rank) ++place;
    return f.meeting->calls[place].text() + " of rank " + std::to_string(f.rank) + ", which runs, " +
           (f.written ? "writes" : "reads");
  }
  return "";
}

std::string awaited() {
  for (const auto& m : meetings) {
    if (std::find(m->arrived.begin(), m->arrived.end(), 1) == m->arrived.end()) continue;
    for (std::size_t i = 0; i < m->ranks.size(); ++i) {
      if (m->arrived[i]) continue;
      return m->calls[i].text() + ", " + m->name + ", waits for rank " + std::to_string(m->ranks[i]) +
             (m->asked[i] ? ", whose stream stands before it" : ", which has not called it");
    }
  }
  return "";
}

bool others_may_come() {
  for (const auto& m : meetings)
    for (std::size_t i = 0; i < m->ranks.size(); ++i)
      if (!m->asked[i] &&
          m->clique->threads[static_cast<std::size_t>(m->ranks[i])] != std::this_thread::get_id())
        return true;
  return false;
}

std::string shared_device(const Clique& clique) {
  for (std::size_t one = 0; one < clique.devices.size(); ++one)
    for (std::size_t other = 0; other < one; ++other)
      if (clique.devices[one] >= 0 && clique.devices[one] == clique.devices[other])
        return "ranks " + std::to_string(other) + " and " + std::to_string(one) + " are both on device " +
               std::to_string(clique.devices[one]);
  return "";
}

bool is_busy(const Clique& clique, int rank) {
  return std::any_of(meetings.begin(), meetings.end(), [&](const auto& m) {
    for (std::size_t i = 0; i < m->ranks.size(); ++i)
      if (m->clique.get() == &clique && m->ranks[i] == rank && m->asked[i]) return true;
    return false;
  });
}

void give_up_meetings(const Clique* of) {
  std::erase_if(meetings, [&](const auto& m) {
    if (of && m->clique.get() != of) return false;
    std::erase_if(in_flight, [&](const InFlight& f) { return f.meeting == m.get(); });
    m->clique->broken = true;
    m->clique->open.clear();
    m->clique->transfers.clear();
    return m->over = true;
  });
  anything_in_flight = !in_flight.empty();
  machine().tell();
}

}  // namespace software_cuda
