// Names and bounds of variables and functions, from the symbol tables of the program and its libraries: what
// a kernel declares __shared__ is a static variable of a function here.
#include <cxxabi.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "checker.h"

namespace software_cuda {
namespace {

struct Function {
  std::uintptr_t begin = 0, end = 0;
  const char* name = "";
};
struct Span {
  std::uintptr_t begin = 0, end = 0;
};
struct Tables {
  std::vector<Variable> variables;  // in the order of their addresses
  std::vector<Function> functions;
  std::vector<Span> constants;
};

std::string readable(const char* symbol) {
  int status = 0;
  char* text = abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
  std::string name = text ? text : symbol;
  std::free(text);
  return name;
}

// The file stays mapped: names are read from it.
void read_symbols(const char* path, std::uintptr_t base, Tables& tables) {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  struct stat facts {};
  ::fstat(file, &facts);
  void* mapped = ::mmap(nullptr, static_cast<std::size_t>(facts.st_size), PROT_READ, MAP_PRIVATE, file, 0);
  ::close(file);
  if (mapped == MAP_FAILED) return;
  const char* data = static_cast<const char*>(mapped);
  const auto* header = static_cast<const ElfW(Ehdr)*>(mapped);
  const auto* sections = reinterpret_cast<const ElfW(Shdr)*>(data + header->e_shoff);
  for (unsigned s = 0; s < header->e_shnum; ++s) {
    if (sections[s].sh_type != SHT_SYMTAB) continue;
    const auto* symbols = reinterpret_cast<const ElfW(Sym)*>(data + sections[s].sh_offset);
    const char* names = data + sections[sections[s].sh_link].sh_offset;
    for (std::size_t i = 0; i < sections[s].sh_size / sizeof *symbols; ++i) {
      const ElfW(Sym)& symbol = symbols[i];
      if (symbol.st_size == 0 || symbol.st_shndx == SHN_UNDEF || symbol.st_shndx >= header->e_shnum) continue;
      const std::uintptr_t begin = base + symbol.st_value;
      const char* name = names + symbol.st_name;
      const int type = symbol.st_info & 15;
      if (type == STT_FUNC) tables.functions.push_back({begin, begin + symbol.st_size, name});
      if (type == STT_OBJECT && (sections[symbol.st_shndx].sh_flags & SHF_WRITE))
        tables.variables.push_back({begin, symbol.st_size, name, std::string_view(name).starts_with("_ZZ")});
    }
  }
}

int read_module(dl_phdr_info* module, std::size_t, void* to) {
  auto& tables = *static_cast<Tables*>(to);
  bool ours = false;  // a library of the system has no kernels
  for (int i = 0; i < module->dlpi_phnum; ++i) {
    const auto& part = module->dlpi_phdr[i];
    const std::uintptr_t begin = module->dlpi_addr + part.p_vaddr;
    if ((part.p_type == PT_LOAD && !(part.p_flags & PF_W)) || part.p_type == PT_GNU_RELRO)
      tables.constants.push_back({begin, begin + part.p_memsz});
    const auto here = reinterpret_cast<std::uintptr_t>(&read_module);
    ours = ours || (part.p_type == PT_LOAD && here >= begin && here < begin + part.p_memsz);
  }
  const bool program = !module->dlpi_name || !*module->dlpi_name;
  if (program || ours)
    read_symbols(program ? "/proc/self/exe" : module->dlpi_name, module->dlpi_addr, tables);
  return 0;
}

const Tables& tables() {
  static const Tables& made = *[] {
    auto* read = new Tables;
    ::dl_iterate_phdr(read_module, read);
    std::sort(read->variables.begin(), read->variables.end(),
              [](const Variable& a, const Variable& b) { return a.begin < b.begin; });
    return read;
  }();
  return made;
}

}  // namespace

const Variable* variable_at(std::uintptr_t address) {
  const auto& all = tables().variables;
  auto at = std::upper_bound(all.begin(), all.end(), address,
                             [](std::uintptr_t a, const Variable& v) { return a < v.begin; });
  if (at == all.begin() || address - (--at)->begin >= at->bytes) return nullptr;
  static Variable found;
  found = *at;
  found.name = readable(at->name.c_str());
  return &found;
}

bool is_constant(std::uintptr_t address) {
  const auto& all = tables().constants;
  return std::any_of(all.begin(), all.end(),
                     [&](const Span& s) { return address >= s.begin && address < s.end; });
}

std::string function_at(const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  for (const Function& f : tables().functions)
    if (at >= f.begin && at < f.end) return readable(f.name);
  return "without a name";
}

}  // namespace software_cuda
