// The machine of pickles: a stack, a memo, and the opcodes that weight files need.
#include "io/pickle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <unordered_map>

#include "io/bytes.h"
#include "io/pickle_opcodes.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

using Kind = PickleValue::Kind;
using namespace detail;

constexpr std::size_t pickle_limit = std::size_t{64} << 20, values_limit = std::size_t{4} << 20;

// What REDUCE may name. Python would call these; here they only say how to read their arguments.
constexpr std::array dicts{"collections.OrderedDict", "collections.defaultdict", "collections.Counter",
                           "__builtin__.dict", "builtins.dict"};
constexpr std::array inert_calls{"__builtin__.set",
                                 "builtins.set",
                                 "__builtin__.frozenset",
                                 "builtins.frozenset",
                                 "torch._utils._rebuild_tensor",
                                 "torch._utils._rebuild_tensor_v2",
                                 "torch._utils._rebuild_tensor_v3",
                                 "torch._utils._rebuild_parameter",
                                 "torch._utils._rebuild_parameter_with_state",
                                 "torch._tensor._rebuild_from_type_v2",
                                 "torch._utils._rebuild_qtensor",
                                 "torch._utils._rebuild_sparse_tensor",
                                 "torch.serialization._get_layout",
                                 "torch.Size",
                                 "torch.device",
                                 "torch.Generator",
                                 "numpy.core.multiarray.scalar",
                                 "numpy._core.multiarray.scalar",
                                 "numpy.dtype",
                                 "numpy.core.multiarray._reconstruct",
                                 "numpy._core.multiarray._reconstruct",
                                 "_codecs.encode",
                                 "copy_reg._reconstructor",
                                 "copyreg._reconstructor",
                                 "functools.partial",
                                 "__builtin__.complex",
                                 "builtins.complex",
                                 "pathlib.PosixPath",
                                 "pathlib.WindowsPath",
                                 "datetime.datetime",
                                 "datetime.date",
                                 "datetime.timedelta"};

template <std::size_t N> bool among(const std::array<const char*, N>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](const char* n) { return name == n; });
}
}  // namespace

class PickleReader {
 public:
  PickleReader(Pickle& pickle, std::string_view bytes, const std::string& name, std::uint64_t first)
      : pickle_(pickle), bytes_(bytes), name_(name), first_(first) {
    none_ = make(Kind::none);
    yes_ = make(Kind::boolean);
    yes_->integer = 1;
    no_ = make(Kind::boolean);
    empty_ = make(Kind::tuple);
  }

  void run() {
    for (;;) {
      op_at_ = at_;
      const std::uint8_t op = byte();
      if (op == STOP) break;
      if (!scalar(op) && !container(op) && !memory(op) && !object(op))
        refuse("opcode ", hex(op), " (", refused_name(op), ") is not among those that weight files need");
    }
    PickleValue* root = pop();
    if (!stack_.empty() || !marks_.empty()) wrong("it stops with values left over");
    pickle_.root_ = root;
    pickle_.bytes_ = at_;
  }

 private:
  template <class... Parts> [[noreturn]] void wrong(const Parts&... parts) const {
    fail<FormatError, 11>("pickle: ", name_, ": at byte ", first_ + op_at_, ": ", parts...);
  }
  template <class... Parts> [[noreturn]] void refuse(const Parts&... parts) const {
    fail<FormatError, 12>("pickle: ", name_, ": at byte ", first_ + op_at_, ": ", parts...,
                          "; save the state_dict alone");
  }
  static std::string hex(std::uint8_t op) {
    constexpr const char* digits = "0123456789abcdef";
    return {'0', 'x', digits[op >> 4], digits[op & 15]};
  }

  // --- bytes ---
  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - at_) {
      if (bytes_.size() == pickle_limit)
        wrong("it goes on after ", human_bytes(pickle_limit), ", the most that is read");
      wrong("it ends inside a value; the file was cut short or damaged");
    }
    const std::string_view part = bytes_.substr(at_, count);
    at_ += count;
    return part;
  }
  std::uint8_t byte() { return static_cast<std::uint8_t>(take(1)[0]); }
  template <class T> T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string_view line() {
    const std::size_t end = bytes_.substr(at_, 1000).find('\n');
    if (end == std::string_view::npos) wrong("the name of a global does not end");
    const std::string_view text = take(end);
    ++at_;
    return text;
  }

  // --- stack ---
  PickleValue* make(Kind kind) {
    if (pickle_.values_.size() >= values_limit) wrong("it holds more than ", values_limit, " values");
    pickle_.values_.emplace_back().kind = kind;
    return &pickle_.values_.back();
  }
  void push(PickleValue* value) { stack_.push_back(value); }
  PickleValue* pop() {
    if (stack_.size() <= floor()) wrong("it takes a value that was never put on the stack");
    PickleValue* value = stack_.back();
    stack_.pop_back();
    return value;
  }
  PickleValue* top() {
    PickleValue* value = pop();
    push(value);
    return value;
  }
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  // What stands above the last mark; both go.
  std::vector<const PickleValue*> pop_marked() {
    if (marks_.empty()) wrong("it goes back to a mark that was never set");
    std::vector<const PickleValue*> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()),
                                          stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  void push_text(Kind kind, std::uint64_t count) {
    PickleValue* value = make(kind);
    value->text = take(count);
    push(value);
  }
  void push_integer(std::int64_t integer) {
    PickleValue* value = make(Kind::integer);
    value->integer = integer;
    push(value);
  }
  void push_tuple(std::vector<const PickleValue*> items) {
    PickleValue* value = make(Kind::tuple);
    value->items = std::move(items);
    push(value);
  }

  bool scalar(std::uint8_t op) {
    switch (op) {
      case PROTO:
        if (const int version = byte(); version > 5) wrong("protocol ", version, " is not known; 0 to 5 are");
        return true;
      case FRAME: number<std::uint64_t>(); return true;
      case NONE: push(none_); return true;
      case NEWTRUE: push(yes_); return true;
      case NEWFALSE: push(no_); return true;
      case BININT: push_integer(number<std::int32_t>()); return true;
      case BININT1: push_integer(byte()); return true;
      case BININT2: push_integer(number<std::uint16_t>()); return true;
      case LONG1: long_integer(byte()); return true;
      case LONG4: long_integer(number<std::uint32_t>()); return true;
      case BINFLOAT: {
        PickleValue* value = make(Kind::real);
        value->real = std::bit_cast<double>(__builtin_bswap64(number<std::uint64_t>()));
        push(value);
        return true;
      }
      case BINUNICODE:
      case BINSTRING: push_text(Kind::text, number<std::uint32_t>()); return true;
      case SHORT_BINUNICODE:
      case SHORT_BINSTRING: push_text(Kind::text, byte()); return true;
      case BINUNICODE8: push_text(Kind::text, number<std::uint64_t>()); return true;
      case BINBYTES: push_text(Kind::bytes, number<std::uint32_t>()); return true;
      case SHORT_BINBYTES: push_text(Kind::bytes, byte()); return true;
      case BINBYTES8: push_text(Kind::bytes, number<std::uint64_t>()); return true;
      default: return false;
    }
  }
  // Two's complement of any length; longer than 64 bits stays bytes (the magic number of PyTorch's legacy
  // files).
  void long_integer(std::uint64_t count) {
    if (count > 8) return push_text(Kind::bytes, count);
    const std::string_view text = take(count);
    std::uint64_t bits = !text.empty() && (text.back() & 0x80) != 0 ? ~std::uint64_t{0} : 0;
    if (count > 0) std::memcpy(&bits, text.data(), count);
    push_integer(static_cast<std::int64_t>(bits));
  }

  bool container(std::uint8_t op) {
    switch (op) {
      case MARK: marks_.push_back(stack_.size()); return true;
      case EMPTY_LIST:
      case EMPTY_SET: push(make(Kind::list)); return true;
      case EMPTY_TUPLE: push(empty_); return true;
      case EMPTY_DICT: push(make(Kind::dict)); return true;
      case TUPLE: push_tuple(pop_marked()); return true;
      case TUPLE1:
      case TUPLE2:
      case TUPLE3: {
        std::vector<const PickleValue*> items(static_cast<std::size_t>(op - TUPLE1 + 1));
        for (std::size_t i = items.size(); i-- > 0;) items[i] = pop();
        push_tuple(std::move(items));
        return true;
      }
      case FROZENSET: {
        std::vector<const PickleValue*> items = pop_marked();
        PickleValue* list = make(Kind::list);
        list->items = std::move(items);
        push(list);
        return true;
      }
      case APPEND: {
        const PickleValue* item = pop();
        append({item});
        return true;
      }
      case APPENDS:
      case ADDITEMS: append(pop_marked()); return true;
      case SETITEM: {
        const PickleValue* value = pop();
        const PickleValue* key = pop();
        set_items({key, value});
        return true;
      }
      case SETITEMS: set_items(pop_marked()); return true;
      default: return false;
    }
  }
  void append(const std::vector<const PickleValue*>& items) {
    PickleValue* list = top();
    if (!list->is(Kind::list) && !list->is(Kind::object)) wrong("it appends to what is no list");
    list->items.insert(list->items.end(), items.begin(), items.end());
  }
  void set_items(const std::vector<const PickleValue*>& items) {
    PickleValue* dict = top();
    if (dict->is(Kind::object)) {  // of a class derived from dict
      if (dict->state == nullptr) dict->state = make(Kind::dict);
      dict = const_cast<PickleValue*>(dict->state);
    }
    if (!dict->is(Kind::dict) || items.size() % 2 != 0) wrong("it sets items of what is no dictionary");
    dict->items.insert(dict->items.end(), items.begin(), items.end());
  }

  bool memory(std::uint8_t op) {
    switch (op) {
      case BINPUT: memo_[byte()] = top(); return true;
      case LONG_BINPUT: memo_[number<std::uint32_t>()] = top(); return true;
      case MEMOIZE: {
        PickleValue* value = top();
        memo_[static_cast<std::uint32_t>(memo_.size())] = value;
        return true;
      }
      case BINGET: push(recall(byte())); return true;
      case LONG_BINGET: push(recall(number<std::uint32_t>())); return true;
      default: return false;
    }
  }
  PickleValue* recall(std::uint32_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) wrong("it recalls value ", index, ", which was never kept");
    return found->second;
  }

  bool object(std::uint8_t op) {
    switch (op) {
      case GLOBAL: {
        const std::string_view module = line(), name = line();
        push_global(module, name);
        return true;
      }
      case STACK_GLOBAL: {
        const PickleValue* name = pop();
        const PickleValue* module = pop();
        if (!name->is(Kind::text) || !module->is(Kind::text) ||
            name->text.size() + module->text.size() > 1000)
          wrong("the name of a global is no text");
        push_global(module->text, name->text);
        return true;
      }
      case REDUCE:
      case NEWOBJ: {
        const PickleValue* arguments = pop();
        call(op, *pop(), *arguments);
        return true;
      }
      case BUILD: {
        const PickleValue* state = pop();
        build(*state);
        return true;
      }
      case BINPERSID: {
        PickleValue* value = make(Kind::persistent);
        value->given = pop();
        push(value);
        return true;
      }
      default: return false;
    }
  }
  void push_global(std::string_view module, std::string_view name) {
    PickleValue* value = make(Kind::global);
    value->text = pickle_.texts_.emplace_back(std::string(module) + "." + std::string(name));
    push(value);
  }
  void call(std::uint8_t op, const PickleValue& what, const PickleValue& arguments) {
    const char* verb = op == REDUCE ? "REDUCE calls " : "NEWOBJ makes ";
    if (!arguments.is(Kind::tuple)) wrong(verb, "something with arguments that are no tuple");
    if (!what.is(Kind::global)) {
      // Legacy files put the class of a module behind a persistent identifier: ('module', class, file,
      // source).
      const bool module = what.is(Kind::persistent) && what.given->items.size() >= 2 &&
                          what.given->items[1]->is(Kind::global);
      if (!module) refuse(verb, "what is no global");
      return call(op, *what.given->items[1], arguments);
    }
    const bool dict = among(dicts, what.text);
    // NEWOBJ names a class; an object of it stays a name with a state. REDUCE may name any function.
    if (op == REDUCE && !dict && !among(inert_calls, what.text))
      refuse(verb, printable(what.text, 120), ", which is not among the calls that weight files need");
    PickleValue* value = make(dict ? Kind::dict : Kind::object);
    value->what = &what;
    value->given = &arguments;
    if (dict) pairs(*value, arguments);
    push(value);
  }
  // Python 2 gave OrderedDict a list of pairs.
  void pairs(PickleValue& dict, const PickleValue& arguments) {
    for (const PickleValue* argument : arguments.items) {
      if (!argument->is(Kind::list)) continue;  // the factory of a defaultdict
      for (const PickleValue* pair : argument->items) {
        if ((!pair->is(Kind::list) && !pair->is(Kind::tuple)) || pair->items.size() != 2)
          wrong("a dictionary is made of what are no pairs");
        if (++copied_ > bytes_.size()) wrong("dictionaries are made of the same pairs again and again");
        dict.items.insert(dict.items.end(), pair->items.begin(), pair->items.end());
      }
    }
  }
  void build(const PickleValue& state) {
    PickleValue* value = top();
    if (!value->is(Kind::dict) && !value->is(Kind::object)) wrong("BUILD gives a state to what is no object");
    if (value->state == nullptr) value->state = &state;
  }

  Pickle& pickle_;
  std::string_view bytes_;
  const std::string& name_;
  std::uint64_t first_, at_ = 0, op_at_ = 0, copied_ = 0;
  std::vector<PickleValue*> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, PickleValue*> memo_;
  PickleValue *none_, *yes_, *no_, *empty_;
};

const PickleValue* PickleValue::get(std::string_view key) const {
  if (kind != Kind::dict) return nullptr;
  for (std::size_t i = items.size() / 2; i-- > 0;) {
    if (items[2 * i]->is(Kind::text) && items[2 * i]->text == key) return items[2 * i + 1];
  }
  return nullptr;
}

Pickle::Pickle(std::string_view bytes, const std::string& name, std::uint64_t first_byte) {
  PickleReader(*this, bytes.substr(0, pickle_limit), name, first_byte).run();
}

}  // namespace gadolin
