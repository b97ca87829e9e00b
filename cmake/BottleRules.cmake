# SPDX-License-Identifier: Apache-2.0
# The rules of a bottle: fingerprint, image, pack, and the export of a layout on request.
include_guard(GLOBAL)

# _bottle_step(STAMP <file> RESULT <file>... COMMAND <word>... DEPENDS <file>...
#              [DEPFILE <file> TARGET <target> [OWN_DEPFILE]] [POOL <pool>] COMMENT <text>)
#
# A tool touches its stamp whenever it ran, and writes its result only if it changed. Later steps depend on the result, so a
# step without a change ends the chain. Ninja needs one rule: it checks the outputs again after a command (CMake writes
# restat for custom commands). Make compares times only and needs two: the working rule makes the stamp, and a second, empty
# rule has the existing result as output. With one rule, the old result would stay older than its inputs, and the tool would
# run in every build.
function(_bottle_step)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "OWN_DEPFILE" "STAMP;DEPFILE;TARGET;POOL;COMMENT" "RESULT;COMMAND;DEPENDS")
  set(more "")
  if(ARG_DEPFILE)
    list(APPEND more DEPFILE "${ARG_DEPFILE}")
  endif()
  if(CMAKE_GENERATOR MATCHES "Ninja")
    if(ARG_POOL)
      list(APPEND more JOB_POOL ${ARG_POOL})
    endif()
    set(outputs "${ARG_STAMP}" ${ARG_RESULT})
    if(ARG_OWN_DEPFILE)
      _bottle_own_depfiles()
      _bottle_keep_depfile(outputs "${ARG_DEPFILE}")
    endif()
    add_custom_command(OUTPUT ${outputs} COMMAND ${ARG_COMMAND} DEPENDS ${ARG_DEPENDS} ${more}
      COMMENT "${ARG_COMMENT}" VERBATIM)
  else()
    set(first "")
    if(ARG_TARGET)
      # CMake collects the depfiles of a target in this file and never removes an entry (3.25). Without this command, a file
      # that is no longer copied, or no longer exists, would stay a dependency. If the file is missing, CMake collects again.
      set(first COMMAND "${CMAKE_COMMAND}" -E rm -f
        "${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/${ARG_TARGET}.dir/compiler_depend.internal")
    endif()
    add_custom_command(OUTPUT "${ARG_STAMP}" ${first} COMMAND ${ARG_COMMAND} DEPENDS ${ARG_DEPENDS} ${more}
      COMMENT "${ARG_COMMENT}" VERBATIM)
    # The tool runs here only if a user removed the result.
    foreach(result IN LISTS ARG_RESULT)
      add_custom_command(OUTPUT "${result}" COMMAND test -f "${result}" || ${ARG_COMMAND} DEPENDS "${ARG_STAMP}"
        COMMENT "" VERBATIM)
    endforeach()
  endif()
endfunction()

# True if Ninja reads the depfiles as the tools write them. By default CMake transforms each depfile after its command
# (CMP0116). That takes longer than the fingerprint of many files, and is not possible for a depfile that the command of
# another rule writes.
function(_bottle_reads_own_depfiles out)
  set(${out} FALSE PARENT_SCOPE)
  # With this prefix, outputs have other names than in the tools' depfiles.
  if(CMAKE_GENERATOR MATCHES "Ninja" AND NOT CMAKE_NINJA_OUTPUT_PATH_PREFIX)
    set(${out} TRUE PARENT_SCOPE)
  endif()
endfunction()

# Applies to the rules that the calling function adds afterwards.
macro(_bottle_own_depfiles)
  _bottle_reads_own_depfiles(_bottle_own)
  if(_bottle_own)
    set(CMAKE_WARN_DEPRECATED FALSE)  # newer versions warn of OLD policies
    cmake_policy(SET CMP0116 OLD)
  endif()
endmacro()

# Since CMake 3.29, Ninja reads and removes a depfile after the command, unless the depfile is an output.
macro(_bottle_keep_depfile outputs depfile)
  if(CMAKE_VERSION VERSION_GREATER_EQUAL 3.29)
    list(APPEND ${outputs} "${depfile}")
  endif()
endmacro()

# _bottle_parts(<out> <directory> <context>): the number of parts of the fingerprint's depfile for Ninja. 0 means one
# depfile, which is fast enough for a thousand paths. key.parts has the number from the last fingerprint. Without that file,
# the files are counted, including those of a build directory in the context, which has few at that time. Too many parts
# cost time when configuring, too few in each build.
function(_bottle_parts out directory context)
  set(parts "")
  set(configurations "-")
  get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
  if(multi_config)
    set(configurations "${CMAKE_CONFIGURATION_TYPES}")
  endif()
  foreach(configuration IN LISTS configurations)
    string(REPLACE "$<CONFIG>" "${configuration}" file "${directory}/key.parts")
    if(EXISTS "${file}")
      file(READ "${file}" text LIMIT 16)
      if(text MATCHES "^([0-9]+)\n$" AND (parts STREQUAL "" OR CMAKE_MATCH_1 GREATER parts))
        set(parts ${CMAKE_MATCH_1})
      endif()
    endif()
  endforeach()
  get_property(counted GLOBAL PROPERTY _BOTTLE_COUNTED)
  list(LENGTH counted count)
  if(parts STREQUAL "" AND count LESS 8 AND IS_DIRECTORY "${context}")
    set_property(GLOBAL APPEND PROPERTY _BOTTLE_COUNTED "${directory}")
    file(GLOB_RECURSE files LIST_DIRECTORIES FALSE "${context}/*")
    list(FILTER files EXCLUDE REGEX "/\\.git/")
    list(LENGTH files count)
    if(count GREATER 1000)
      math(EXPR parts "(${count} + 249) / 250")
    endif()
  endif()
  if(parts STREQUAL "")
    set(parts 0)
  elseif(parts GREATER 1024)
    set(parts 1024)
  endif()
  set(${out} ${parts} PARENT_SCOPE)
endfunction()

# _bottle_part_rules(<out> <slug> <directory> <parts>): the rules of the parts; <out> becomes their stamps. Their commands only
# touch the stamp. bottle-fingerprint writes the depfiles (src/image/context/depfile_parts.hpp).
function(_bottle_part_rules out slug directory parts)
  set(stamps "")
  _bottle_own_depfiles()
  set(part 0)
  while(part LESS parts)
    set(stamp "${directory}/key.inputs/${parts}.${part}")
    set(outputs "${stamp}")
    _bottle_keep_depfile(outputs "${stamp}.d")
    set(command : > "${stamp}")
    if(outputs MATCHES ";")
      # Ninja before 1.12 uses the outputs' time as the time of the last run only if all outputs are new.
      set(command touch "${stamp}" "${stamp}.d")
    endif()
    add_custom_command(OUTPUT ${outputs} COMMAND ${command} DEPFILE "${stamp}.d"
      COMMENT "Checking the inputs of bottle ${slug}" VERBATIM)
    list(APPEND stamps "${stamp}")
    math(EXPR part "${part} + 1")
  endwhile()
  set(${out} "${stamps}" PARENT_SCOPE)
endfunction()

# _bottle_rules(<slug> <"ALL" or ""> <bottles it needs> <files it needs> <dependencies the user named> <encoded lock>
#               <context> <runtime>)
# Needs spec.json, image.options.json and pack.options.json in the bottle's directory (BottleSpec.cmake).
function(_bottle_rules slug all bottles files depends lock context runtime)
  _bottle_tool(fingerprint fingerprint)
  _bottle_tool(image image)
  _bottle_tool(pack pack)
  _bottle_tool(why why)
  _bottle_directory(directory "${slug}" bottles)
  _bottle_image_pool()
  set(result "${directory}/${slug}.smolmachine")
  _bottle_scan_mode(scan)
  # Neither mode can use the other's record of the inputs.
  file(GENERATE OUTPUT "${directory}/scan.options" CONTENT "${scan}\n")

  set(stamps "")
  set(depfile DEPFILE "${directory}/key.d" TARGET bottle-${slug}-image OWN_DEPFILE)
  _bottle_reads_own_depfiles(own_depfiles)
  # With makefiles CMake removes the outputs of a rule whose command changed, and the image's rule would run for the new key. So
  # there both modes have the same command.
  set(depfiles --depfile-target "${directory}/key.stamp" --scan-mode "${directory}/scan.options")
  if(scan STREQUAL "always")
    set(stamps "${directory}/inputs.stamp")
    set(depfile TARGET bottle-${slug}-image)
    _bottle_scan_in_each_build("${directory}")
  elseif(own_depfiles)
    _bottle_parts(parts "${directory}" "${context}")
    _bottle_part_rules(stamps ${slug} "${directory}" ${parts})
    set(depfiles --depfile-base "${CMAKE_BINARY_DIR}" --depfile-parts ${parts})
  endif()
  # The places of the bytes of other bottles are not part of a key. If they change, only the image's rule runs. The fingerprint
  # writes key.places, because the Dockerfile determines which bottles are used.
  set(key "${directory}/key")
  foreach(bottle IN LISTS bottles)
    _bottle_directory(base "${bottle}" bottles)
    list(APPEND files "${base}/roots.json")
  endforeach()
  if(bottles)
    list(APPEND key "${directory}/key.places")
  endif()
  _bottle_step(
    STAMP "${directory}/key.stamp" RESULT ${key}
    COMMAND "${fingerprint}" --spec "${directory}/spec.json" ${depfiles}
    DEPENDS "${directory}/spec.json" "${directory}/scan.options" "${fingerprint}" ${files} ${depends} ${stamps}
    ${depfile}
    COMMENT "Fingerprinting bottle ${slug}")
  _bottle_step(
    STAMP "${directory}/image.stamp" RESULT "${directory}/image.json" "${directory}/roots.json"
    COMMAND "${image}" build --fingerprinted --spec "${directory}/spec.json"
    DEPENDS ${key} "${directory}/image.options.json" "${image}"
    POOL bottle_image
    COMMENT "Building the image of bottle ${slug}")
  set(runtime_file "")
  if(NOT runtime STREQUAL "none")
    _bottle_runtime_rule(runtime "${runtime}")
    set(runtime_file "${CMAKE_BINARY_DIR}/bottle-runtime/${runtime}.digest")
  endif()
  _bottle_step(
    STAMP "${directory}/pack.stamp" RESULT "${result}"
    COMMAND "${pack}" create --spec "${directory}/spec.json"
    DEPENDS "${directory}/image.json" "${directory}/pack.options.json" "${pack}" ${runtime_file}
    COMMENT "Packing bottle ${slug}")
  add_custom_command(OUTPUT "${directory}/oci.stamp" "${directory}/oci/index.json"
    COMMAND "${image}" export --spec "${directory}/spec.json" --layout "${directory}/oci"
    DEPENDS "${directory}/image.json" "${image}"
    COMMENT "Exporting the OCI image layout of bottle ${slug}" VERBATIM)

  add_custom_target(bottle-${slug} ${all} DEPENDS "${result}")
  add_custom_target(bottle-${slug}-image DEPENDS "${directory}/image.json" "${directory}/roots.json")
  add_custom_target(bottle-${slug}-oci DEPENDS "${directory}/oci.stamp")
  add_custom_target(bottle-${slug}-load COMMAND "${image}" load --spec "${directory}/spec.json"
    DEPENDS "${directory}/image.json" "${image}" COMMENT "Loading the image of bottle ${slug}" VERBATIM)
  add_custom_target(bottle-${slug}-why COMMAND "${why}" --spec "${directory}/spec.json" USES_TERMINAL VERBATIM)
  set_property(TARGET bottle-${slug} APPEND PROPERTY ADDITIONAL_CLEAN_FILES
    "${directory}/layers" "${directory}/blobs" "${directory}/oci" "${directory}/pack.json"
    "${directory}/key.d" "${directory}/key.inputs" "${directory}/inputs.record")

  # Ninja orders the steps by their files. Make has one makefile for each target, with its own copy of the rules, so these
  # targets must not run in parallel.
  add_dependencies(bottle-${slug} bottle-${slug}-image)
  if(runtime_file)
    add_dependencies(bottle-${slug} _bottle-runtime-${runtime})
  endif()
  add_dependencies(bottle-${slug}-oci bottle-${slug}-image)
  add_dependencies(bottle-${slug}-load bottle-${slug}-image)
  if(scan STREQUAL "always")
    add_dependencies(bottle-${slug}-image _bottle-scan)
  endif()
  foreach(bottle IN LISTS bottles)
    add_dependencies(bottle-${slug}-image bottle-${bottle}-image)
  endforeach()
  if(NOT TARGET bottles)
    add_custom_target(bottles)
  endif()
  add_dependencies(bottles bottle-${slug})
  _bottle_lock_target("${lock}" "${directory}/spec.json")
endfunction()

# BOTTLE_SCAN: `times` (also if it is empty) or `always`.
function(_bottle_scan_mode out)
  set(mode "${BOTTLE_SCAN}")
  if(mode STREQUAL "")
    set(mode times)
  endif()
  if(NOT mode MATCHES "^(times|always)$")
    message(FATAL_ERROR "add_bottle: invalid BOTTLE_SCAN \"${BOTTLE_SCAN}\": expected times or always")
  endif()
  set(${out} ${mode} PARENT_SCOPE)
endfunction()

# _bottle_scan_in_each_build(<directory of a bottle>): adds the bottle to the scan target of the project, which is created when
# all bottles are known. Its command runs in each build and touches the stamps of the bottles with a changed input.
function(_bottle_scan_in_each_build directory)
  get_property(directories GLOBAL PROPERTY _BOTTLE_SCANNED)
  if(NOT directories)
    _bottle_tool(tool fingerprint)
    cmake_language(EVAL CODE
      "cmake_language(DEFER DIRECTORY [==[${CMAKE_SOURCE_DIR}]==] CALL _bottle_scan_target [==[${tool}]==])")
  endif()
  set_property(GLOBAL APPEND PROPERTY _BOTTLE_SCANNED "${directory}")
endfunction()

function(_bottle_scan_target tool)
  get_property(directories GLOBAL PROPERTY _BOTTLE_SCANNED)
  set(names "")
  set(stamps "")
  foreach(directory IN LISTS directories)
    string(REPLACE "\\" "\\\\" name "${directory}")
    string(REPLACE "\"" "\\\"" name "${name}")
    list(APPEND names "\"${name}\"")
    list(APPEND stamps "${directory}/inputs.stamp")
  endforeach()
  list(JOIN names ",\n" names)
  _bottle_directory(list scan.json bottles)
  file(GENERATE OUTPUT "${list}" CONTENT "[${names}]\n")
  add_custom_target(_bottle-scan COMMAND "${tool}" --scan "${list}" DEPENDS "${tool}" BYPRODUCTS ${stamps}
    COMMENT "Comparing the inputs of all bottles" VERBATIM)
endfunction()

# The target bottle-lock: for each lock, one call of the tool with the specifications of all bottles that name it.
function(_bottle_lock_target lock spec)
  get_property(locks GLOBAL PROPERTY _BOTTLE_LOCKS)
  list(FIND locks "${lock}" number)
  if(number EQUAL -1)
    list(LENGTH locks number)
    set_property(GLOBAL APPEND PROPERTY _BOTTLE_LOCKS "${lock}")
    _bottle_tool(tool lock)
    set(specs "$<GENEX_EVAL:$<TARGET_PROPERTY:_bottle-lock-${number},BOTTLE_SPECS>>")
    add_custom_target(_bottle-lock-${number} COMMAND "${tool}" update "--spec;$<JOIN:${specs},;--spec;>"
      COMMENT "Updating a lock" VERBATIM COMMAND_EXPAND_LISTS USES_TERMINAL)
    if(NOT TARGET bottle-lock)
      add_custom_target(bottle-lock)
    endif()
    add_dependencies(bottle-lock _bottle-lock-${number})
  endif()
  set_property(TARGET _bottle-lock-${number} APPEND PROPERTY BOTTLE_SPECS "${spec}")
endfunction()

# Images are built in a separate pool, so that compile jobs can run at the same time.
function(_bottle_image_pool)
  get_property(pools GLOBAL PROPERTY JOB_POOLS)
  if(pools MATCHES "bottle_image=")
    return()
  endif()
  if(NOT "${BOTTLE_IMAGE_JOBS}" MATCHES "^([1-9][0-9]*)?$")
    message(FATAL_ERROR "add_bottle: BOTTLE_IMAGE_JOBS \"${BOTTLE_IMAGE_JOBS}\" is not a positive number; it is needed "
      "when the project is configured, so it cannot contain a generator expression")
  endif()
  if(NOT BOTTLE_IMAGE_JOBS)
    cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
    math(EXPR BOTTLE_IMAGE_JOBS "${cores} / 2")
    if(BOTTLE_IMAGE_JOBS LESS 2)
      set(BOTTLE_IMAGE_JOBS 2)
    endif()
  endif()
  set_property(GLOBAL APPEND PROPERTY JOB_POOLS "bottle_image=${BOTTLE_IMAGE_JOBS}")
endfunction()
