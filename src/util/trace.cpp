#include "util/trace.hpp"

#include <fcntl.h>

#include <cstdlib>

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/json.hpp"

namespace bottle {

void trace_step(std::string_view tool, std::string_view slug, std::string_view step, std::string_view outcome,
                const std::vector<std::pair<std::string, std::string>>& facts) {
  const char* path = std::getenv("BOTTLE_TRACE");
  if (path == nullptr || *path == '\0') return;
  OrderedJson line{{"tool", tool}, {"slug", slug}, {"step", step}, {"outcome", outcome}};
  for (const auto& [name, value] : facts)
    line[name] = value;
  const Fd file(::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (!file) throw_errno("cannot write the trace", path);
  write_all(file.get(), line.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n", path);
}

}  // namespace bottle
