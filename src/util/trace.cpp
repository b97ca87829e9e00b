// SPDX-License-Identifier: Apache-2.0
#include "util/trace.hpp"

#include <fcntl.h>

#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/json.hpp"

namespace bottle {

void trace_step(std::string_view tool, std::string_view slug, std::string_view step, std::string_view outcome,
                const std::vector<std::pair<std::string, std::string>>& facts) {
  const std::string path = environment::value(environment::kTrace);
  if (path.empty()) return;
  OrderedJson line{{"tool", tool}, {"slug", slug}, {"step", step}, {"outcome", outcome}};
  for (const auto& [name, value] : facts)
    line[name] = value;
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (!file) throw_errno("cannot write the trace", path);
  write_all(file.get(), line.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n", path);
}

}  // namespace bottle
