// SPDX-License-Identifier: Apache-2.0
#include "store/roots.hpp"

#include <cerrno>

#include "store/shared.hpp"
#include "store/store.hpp"
#include "util/error.hpp"
#include "util/json.hpp"

namespace bottle::store {

void Store::register_root(const fs::path& directory, std::string_view step,
                          const std::vector<Digest>& keys) const {
  std::error_code error;
  fs::path canonical = fs::canonical(directory, error);
  if (error) canonical = fs::absolute(directory).lexically_normal();
  OrderedJson names = OrderedJson::array();
  for (const Digest& key : keys)
    names.push_back(key.hex());
  const std::string text =
      OrderedJson{
          {"schema", kSchema}, {"directory", canonical.native()}, {"step", step}, {"keys", std::move(names)}}
          .dump(-1, ' ', false, OrderedJson::error_handler_t::replace) +
      "\n";
  if (shared_->below) return;
  const fs::path path = shared_->layout.roots() / sha256(canonical.native() + "\n" + std::string(step)).hex();
  const bool is_file = fs::is_regular_file(path, error);
  if (keys.empty() ? !fs::exists(path, error) : is_file && read_file_if_exists(path, kActionLimit) == text)
    return;
  if (keys.empty())
    fs::remove(path);
  else
    shared_->write(path, text);
}

std::vector<Root> read_roots(const Layout& layout) {
  std::vector<Root> roots;
  std::error_code error;
  fs::directory_iterator iterator(layout.roots(), error);
  for (; !error && iterator != fs::directory_iterator(); iterator.increment(error)) {
    Root root;
    root.file = iterator->path();
    try {
      const Json json = parse_json(read_file(root.file, kActionLimit), root.file.native());
      const JsonView view(json, root.file.native() + "#");
      root.directory = view.at("directory").string();
      root.step = view.at("step").string();
      for (const std::string& name : view.at("keys").strings())
        if (const auto key = Digest::from_hex(name)) root.keys.push_back(*key);
      std::error_code ignored;
      root.stale = !fs::is_directory(root.directory, ignored);
    } catch (const Error&) {
      root.stale = true;  // a root that cannot be understood keeps nothing; its next build writes it again
    }
    roots.push_back(std::move(root));
  }
  if (error && error != std::errc::no_such_file_or_directory)
    throw_errno("cannot list the directory", layout.roots().native(), error.value());
  return roots;
}

}  // namespace bottle::store
