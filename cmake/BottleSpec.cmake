# The specification of a bottle: one JSON file that the tools are given, and two smaller ones that only say when to run.
include_guard(GLOBAL)

# _bottle_write_spec(<slug> <encoded lock>): reads the variables of add_bottle(), its caller (ARG_* and CONTEXTS_*).
#
# spec.json is for the tools. A change in it runs the cheap fingerprint only; the image depends on the key and on
# image.options.json, which says where things are and who builds; the pack on the plan and on pack.options.json. So an
# edited memory size packs again and builds nothing, and an edited unused argument does neither. Properties of the target
# are read when CMake generates, so that they may be set after add_bottle().
function(_bottle_write_spec slug lock)
  _bottle_directory(directory "${slug}" bottles)
  _bottle_absolute(context "${ARG_CONTEXT}" "${CMAKE_CURRENT_SOURCE_DIR}" ".")
  _bottle_decode(plain_context "${context}")
  if(ARG_DOCKERFILE)
    _bottle_absolute(dockerfile "${ARG_DOCKERFILE}" "${CMAKE_CURRENT_SOURCE_DIR}" "")
  else()
    _bottle_absolute(dockerfile "" "${plain_context}" "Dockerfile")
  endif()
  _bottle_encode(build_tree "${CMAKE_BINARY_DIR}")
  set(store "")
  if(BOTTLE_CACHE_DIR)
    get_filename_component(store "${BOTTLE_CACHE_DIR}" ABSOLUTE BASE_DIR "${CMAKE_SOURCE_DIR}")
  endif()
  _bottle_encode(store "${store}")
  set(excluded "${build_tree}")
  if(BOTTLE_CACHE_DIR)
    list(APPEND excluded "${store}")
  endif()
  _bottle_json_array(excluded ${excluded})
  foreach(name IN ITEMS dockerfile context store lock)
    _bottle_json_string(${name} "${${name}}")
  endforeach()
  _bottle_json_string(target "${ARG_TARGET}")
  _bottle_json_object(build_args ${ARG_BUILD_ARGS})
  _bottle_json_array(env ${ARG_ENV})
  _bottle_secrets(secrets "${slug}" ${ARG_SECRETS})
  _bottle_json_array(engine_options ${ARG_ENGINE_OPTIONS})
  _bottle_json_string(registry_image "${ARG_REGISTRY_IMAGE}")

  foreach(setting IN ITEMS ENGINE PACKER PLATFORM CPUS MEMORY NETWORK RUN_NETWORK GIT_MODES SMOLVM_VERSION)
    string(TOLOWER "${setting}" name)
    set(${name} "$<TARGET_PROPERTY:bottle-${slug},BOTTLE_${setting}>")
  endforeach()
  set(network "$<IF:$<BOOL:${network}>,true,false>")
  set(git_modes "$<IF:$<BOOL:${git_modes}>,true,false>")

  set(pack "\"cpus\": ${cpus}, \"memory\": ${memory}, \"network\": ${network},\n    \"env\": ${env}")
  if(DEFINED ARG_USER)
    _bottle_decode(plain_user "${ARG_USER}")
    _bottle_check_user("add_bottle(${slug})" "${plain_user}")
    _bottle_json_string(user "${ARG_USER}")
    string(APPEND pack ",\n    \"user\": ${user}")
  endif()
  string(APPEND pack ",\n    \"smolvmVersion\": \"${smolvm_version}\"")
  foreach(command IN ITEMS ENTRYPOINT CMD)
    if(DEFINED ARG_${command})
      string(TOLOWER "${command}" name)
      _bottle_json_array(words ${ARG_${command}})
      string(APPEND pack ",\n    \"${name}\": ${words}")
    endif()
  endforeach()

  # What the image's rule must see beyond the key, in which no place is.
  set(places "\"context\": ${context},
  \"exclude\": ${excluded},
  \"contexts\": ${CONTEXTS_JSON},
  \"gitModes\": ${git_modes},
  \"engine\": \"${engine}\",
  \"engineOptions\": ${engine_options},
  \"store\": ${store}")
  set(packing "\"packer\": \"${packer}\",
  \"registryImage\": ${registry_image},
  \"pack\": {
    ${pack}
  }")
  file(GENERATE OUTPUT "${directory}/spec.json" CONTENT "{
  \"schema\": 1,
  \"slug\": \"${slug}\",
  \"dockerfile\": ${dockerfile},
  \"target\": ${target},
  \"platform\": \"${platform}\",
  \"buildArgs\": ${build_args},
  \"runNetwork\": \"${run_network}\",
  \"secrets\": ${secrets},
  \"lock\": ${lock},
  ${places},
  ${packing}
}
")
  file(GENERATE OUTPUT "${directory}/image.options.json" CONTENT "{\n  ${places}\n}\n")
  file(GENERATE OUTPUT "${directory}/pack.options.json" CONTENT "{\n  \"store\": ${store},\n  ${packing}\n}\n")
endfunction()

# An encoded path made absolute; left alone if it begins with a generator expression. `otherwise` is for an empty one.
function(_bottle_absolute out path base otherwise)
  if(path STREQUAL "")
    set(path "${otherwise}")
  endif()
  if(NOT path MATCHES "^\\$<")
    _bottle_decode(path "${path}")
    get_filename_component(path "${path}" ABSOLUTE BASE_DIR "${base}")
    _bottle_encode(path "${path}")
  endif()
  set(${out} "${path}" PARENT_SCOPE)
endfunction()

# The "secrets" array of the specification, of encoded "id=env:NAME" and "id=file:PATH".
function(_bottle_secrets out slug)
  set(json "")
  set(ids "")
  foreach(secret IN LISTS ARGN)
    if(NOT secret MATCHES "^([^=]+)=(env|file):(.+)$")
      _bottle_decode(shown "${secret}")
      message(FATAL_ERROR "add_bottle(${slug}): SECRETS \"${shown}\" is not of the form id=env:NAME or id=file:PATH; a secret's value "
        "itself does not belong into a build script")
    endif()
    set(id "${CMAKE_MATCH_1}")
    set(kind "${CMAKE_MATCH_2}")
    set(value "${CMAKE_MATCH_3}")
    if(id IN_LIST ids)
      message(FATAL_ERROR "add_bottle(${slug}): two secrets have the id \"${id}\"")
    endif()
    list(APPEND ids "${id}")
    if(kind STREQUAL "file")
      _bottle_absolute(value "${value}" "${CMAKE_CURRENT_SOURCE_DIR}" "")
    endif()
    _bottle_json_string(id "${id}")
    _bottle_json_string(value "${value}")
    if(NOT json STREQUAL "")
      string(APPEND json ",")
    endif()
    string(APPEND json "\n    {\"id\": ${id}, \"kind\": \"${kind}\", \"value\": ${value}}")
  endforeach()
  set(${out} "[${json}]" PARENT_SCOPE)
endfunction()
