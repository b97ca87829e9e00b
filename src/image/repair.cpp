// SPDX-License-Identifier: Apache-2.0
#include "image/repair.hpp"

#include <set>

#include "oci/damage.hpp"
#include "store/store.hpp"
#include "util/digest.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace bottle::image {
namespace {

bool has_digest(const fs::path& file, const Digest& digest) {
  Sha256 hasher;
  std::vector<std::byte> buffer(1u << 18);
  const Fd opened = open_for_reading(file);
  while (const std::size_t count = read_some(opened.get(), buffer, file.native()))
    hasher.update(std::span<const std::byte>(buffer).first(count));
  return hasher.finish() == digest;
}

// Reads all blobs that the plan in the directory names, there and in the store.
void drop_damaged_blobs(const fs::path& directory, const store::Store& store) {
  std::error_code error;
  for (fs::directory_iterator file(directory / "blobs", error); !error && file != fs::directory_iterator();
       file.increment(error)) {
    const auto digest = Digest::from_hex(file->path().filename().native());
    if (!digest) continue;
    if (!has_digest(file->path(), *digest)) fs::remove(file->path());
    if (const auto kept = store.find_blob(*digest); kept && !has_digest(*kept, *digest))
      store.drop_damaged_blob(*digest, "its content does not match its digest");
  }
}

// The bottles that one is made from, each after those that it is made from itself. Build directories of which
// nothing says how they are made are left out.
class Family {
 public:
  explicit Family(const BuildSpec& spec) { add_bases(spec); }
  const std::vector<BuildSpec>& bases() const { return bases_; }

 private:
  void add_bases(const BuildSpec& spec) {
    for (const ContextSpec& context : spec.contexts) {
      if (context.kind != ContextKind::bottle || !known_.insert(context.value).second) continue;
      const fs::path file = context.value / "spec.json";
      if (!fs::exists(file)) continue;
      const BuildSpec base = load_spec(file);
      add_bases(base);
      bases_.push_back(base);
    }
  }

  std::set<fs::path> known_;
  std::vector<BuildSpec> bases_;
};

void make_again(const BuildSpec& spec, oci::Damage damage,
                const std::function<void(const BuildSpec&)>& rebuild) {
  if (damage == oci::Damage::blob) drop_damaged_blobs(spec.directory, store::Store::open(spec.store));
  rebuild(spec);
}

void remove_stamps(const fs::path& directory) {
  for (const char* stamp : {"key.stamp", "image.stamp"}) {
    std::error_code ignored;  // it may be missing, and then the next build makes it
    fs::remove(directory / stamp, ignored);
  }
}

}  // namespace

void repair_and_repeat(const BuildSpec& spec, OwnImage own,
                       const std::function<void(const std::string&)>& warn,
                       const std::function<void(const BuildSpec&)>& rebuild,
                       const std::function<void()>& work) {
  const auto look_again = [&] {
    const Family family(spec);
    for (const BuildSpec& base : family.bases())
      remove_stamps(base.directory);
    remove_stamps(spec.directory);
  };
  bool repairs = false;
  try {
    work();
    return;
  } catch (const oci::DamageError& error) {
    if (error.damage() == oci::Damage::file) {
      look_again();
      throw;
    }
    const Family family(spec);
    const bool makes_own = own == OwnImage::is_read && !spec.file.empty();
    repairs = makes_own || !family.bases().empty();
    if (repairs) warn(error.where() + ": warning: " + error.message() + "; rebuilding it");
    for (const BuildSpec& base : family.bases())
      make_again(base, error.damage(), rebuild);
    if (makes_own)
      make_again(spec, error.damage(), rebuild);
    else if (error.damage() == oci::Damage::blob)
      drop_damaged_blobs(spec.directory, store::Store::open(spec.store));
  }
  try {
    work();
  } catch (const oci::DamageError& error) {
    if (repairs) look_again();
    if (repairs || own == OwnImage::is_made) throw;
    throw oci::DamageError(error.damage(), error.message(),
                           {.where = error.where(),
                            .hint = "run the bottle-image build of " + spec.directory.native() +
                                    " again with the same options, which rebuilds what is missing"});
  }
}

}  // namespace bottle::image
