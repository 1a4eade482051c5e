"""Warp kernels of the ray caster: geometry, shading, lens and film.

Everything a pixel needs depends on its scene and its position alone, so a launch gives
the same bytes whatever the batch's order and size.

Sources: GGX microfacets with Smith shadowing (Walter et al. 2007) and Schlick's Fresnel
term; environment light as a split sum (Karis, "Real Shading in Unreal Engine 4", 2013)
with the analytic environment BRDF of Karis, "Physically Based Shading on Mobile" (2014);
irradiance in spherical harmonics (Ramamoorthi and Hanrahan 2001); filmic curve fitted by
Narkowicz, "ACES Filmic Tone Mapping Curve" (2015).
"""

from __future__ import annotations

import warp as wp

PI = wp.constant(3.14159265358979)
FAR = wp.constant(1.0e6)
MAXIMUM_RADIANCE = wp.constant(20.0)
SHADOW_OFFSET = wp.constant(2.0e-3)


@wp.struct
class SceneRecord:
    """What one scene has apart from its instances."""

    eye: wp.vec3
    camera: wp.mat33  # columns: right, up, backwards
    tangent: float  # of half the field of view
    focus: float  # distance of the plane in focus, metres
    aperture: float  # radius of the lens, metres; 0 is a pinhole
    light_direction: wp.vec3  # towards the light
    light_colour: wp.vec3
    light_softness: float
    environment: int
    environment_rotation: float
    environment_intensity: float
    exposure: float
    seed: int


@wp.struct
class InstanceRecord:
    """One mesh placed in a scene."""

    mesh: int  # -1: no instance
    rotation: wp.mat33
    position: wp.vec3
    scale: float
    label: int
    material: int  # -1: the materials of the mesh's own faces
    casts_shadow: int


@wp.struct
class MeshRecord:
    """Where a mesh lies in the shared arrays."""

    id: wp.uint64
    first_vertex: int
    first_face: int
    first_material: int
    centre: wp.vec3
    radius: float
    texture_density: float  # texture repeats a metre, for the choice of the mip level
    clear_top: int  # 1: faces 0 and 1 are a rectangle that rays from above meet first
    clear_low: wp.vec3  # its corners
    clear_high: wp.vec3


@wp.struct
class MaterialRecord:
    """Parametric PBR material; ``texture`` is -1 or multiplies the base colour."""

    base_colour: wp.vec3
    roughness: float
    metallic: float
    texture: int


@wp.struct
class TextureRecord:
    """Where a texture's mip levels lie in the texel array, largest first."""

    first_texel: int
    width: int
    height: int
    levels: int


@wp.func
def texel_of(texels: wp.array(dtype=wp.vec3h), first: int, width: int, height: int, x: int, y: int):
    column = x % width
    if column < 0:
        column += width
    row = y % height
    if row < 0:
        row += height
    return wp.vec3(texels[first + row * width + column])


@wp.func
def sample_texture(
    texels: wp.array(dtype=wp.vec3h), texture: TextureRecord, u: float, v: float, footprint: float
):
    """Bilinear, in the mip level whose texel is about ``footprint`` (in repeats) wide."""
    wanted = wp.log2(wp.max(footprint * float(wp.max(texture.width, texture.height)), 1.0))
    level = wp.min(int(wanted + 0.5), texture.levels - 1)
    first = texture.first_texel
    width = texture.width
    height = texture.height
    for _ in range(level):
        first += width * height
        width = wp.max(width / 2, 1)
        height = wp.max(height / 2, 1)
    x = u * float(width) - 0.5
    y = v * float(height) - 0.5
    x0 = int(wp.floor(x))
    y0 = int(wp.floor(y))
    fx = x - float(x0)
    fy = y - float(y0)
    top = wp.lerp(
        texel_of(texels, first, width, height, x0, y0),
        texel_of(texels, first, width, height, x0 + 1, y0),
        fx,
    )
    bottom = wp.lerp(
        texel_of(texels, first, width, height, x0, y0 + 1),
        texel_of(texels, first, width, height, x0 + 1, y0 + 1),
        fx,
    )
    return wp.lerp(top, bottom, fy)


@wp.func
def sample_map(maps: wp.array4d(dtype=wp.vec3h), index: int, level: int, u: float, v: float):
    """Bilinear sample of an equirectangular map; wraps in u, clamps in v."""
    height = maps.shape[2]
    width = maps.shape[3]
    x = u * float(width) - 0.5
    y = wp.clamp(v * float(height) - 0.5, 0.0, float(height) - 1.001)
    x0 = int(wp.floor(x))
    y0 = int(y)
    fx = x - float(x0)
    fy = y - float(y0)
    left = (x0 + width) % width
    right = (x0 + 1 + width) % width
    top = wp.lerp(wp.vec3(maps[index, level, y0, left]), wp.vec3(maps[index, level, y0, right]), fx)
    bottom = wp.lerp(
        wp.vec3(maps[index, level, y0 + 1, left]), wp.vec3(maps[index, level, y0 + 1, right]), fx
    )
    return wp.lerp(top, bottom, fy)


@wp.func
def map_coordinates(direction: wp.vec3, rotation: float):
    turn = (wp.atan2(direction[2], direction[0]) + rotation) / (2.0 * PI)
    return wp.vec2(turn - wp.floor(turn), wp.acos(wp.clamp(direction[1], -1.0, 1.0)) / PI)


@wp.func
def irradiance(
    harmonics: wp.array2d(dtype=wp.vec3), index: int, direction: wp.vec3, rotation: float
):
    c = wp.cos(rotation)
    s = wp.sin(rotation)
    x = c * direction[0] - s * direction[2]
    z = s * direction[0] + c * direction[2]
    y = direction[1]
    total = (
        harmonics[index, 0]
        + harmonics[index, 1] * y
        + harmonics[index, 2] * z
        + harmonics[index, 3] * x
        + harmonics[index, 4] * (x * y)
        + harmonics[index, 5] * (y * z)
        + harmonics[index, 6] * (3.0 * z * z - 1.0)
        + harmonics[index, 7] * (x * z)
        + harmonics[index, 8] * (x * x - y * y)
    )
    return wp.max(total, wp.vec3(0.0))


@wp.func
def direct_light(
    normal: wp.vec3,
    view: wp.vec3,
    light: wp.vec3,
    diffuse: wp.vec3,
    specular: wp.vec3,
    roughness: float,
):
    """Reflected share of a directional light, times the cosine."""
    nl = wp.max(wp.dot(normal, light), 0.0)
    nv = wp.max(wp.dot(normal, view), 1.0e-3)
    half_way = wp.normalize(view + light)
    nh = wp.max(wp.dot(normal, half_way), 0.0)
    vh = wp.max(wp.dot(view, half_way), 0.0)
    alpha2 = roughness * roughness * roughness * roughness
    denominator = nh * nh * (alpha2 - 1.0) + 1.0
    distribution = alpha2 / (PI * denominator * denominator)
    k = (roughness + 1.0) * (roughness + 1.0) / 8.0
    visibility = 0.25 / ((nv * (1.0 - k) + k) * (nl * (1.0 - k) + k))
    q = 1.0 - vh
    fresnel = specular + (wp.vec3(1.0) - specular) * (q * q * q * q * q)
    return (
        wp.cw_mul(diffuse / PI, wp.vec3(1.0) - fresnel) + fresnel * (distribution * visibility)
    ) * nl


@wp.func
def environment_light(
    normal: wp.vec3,
    view: wp.vec3,
    diffuse: wp.vec3,
    specular: wp.vec3,
    roughness: float,
    scene: SceneRecord,
    reflections: wp.array4d(dtype=wp.vec3h),
    harmonics: wp.array2d(dtype=wp.vec3),
):
    nv = wp.max(wp.dot(normal, view), 1.0e-3)
    rx = 1.0 - roughness
    ry = -0.0275 * roughness + 0.0425
    rz = -0.572 * roughness + 1.04
    rw = 0.022 * roughness - 0.04
    a = wp.min(rx * rx, wp.pow(2.0, -9.28 * nv)) * rx + ry
    scale = -1.04 * a + rz
    bias = 1.04 * a + rw
    mirrored = normal * (2.0 * wp.dot(normal, view)) - view
    uv = map_coordinates(mirrored, scene.environment_rotation)
    last = reflections.shape[1] - 1
    level = roughness * float(last)
    lower = int(level)
    upper = wp.min(lower + 1, last)
    reflected = wp.lerp(
        sample_map(reflections, scene.environment, lower, uv[0], uv[1]),
        sample_map(reflections, scene.environment, upper, uv[0], uv[1]),
        level - float(lower),
    )
    light = irradiance(harmonics, scene.environment, normal, scene.environment_rotation)
    return wp.cw_mul(diffuse / PI, light) + wp.cw_mul(specular * scale + wp.vec3(bias), reflected)


@wp.func
def misses_sphere(origin: wp.vec3, direction: wp.vec3, centre: wp.vec3, radius: float):
    to_centre = centre - origin
    along = wp.dot(to_centre, direction)
    distance2 = wp.dot(to_centre, to_centre)
    return distance2 - along * along > radius * radius or (
        along < 0.0 and distance2 > radius * radius
    )


@wp.func
def clear_top_distance(mesh: MeshRecord, origin: wp.vec3, direction: wp.vec3):
    """Distance along a ray from above to the mesh's clear top, or -1."""
    distance = float(-1.0)
    if mesh.clear_top > 0 and direction[1] < 0.0 and origin[1] > mesh.clear_low[1]:
        along = (mesh.clear_low[1] - origin[1]) / direction[1]
        x = origin[0] + along * direction[0]
        z = origin[2] + along * direction[2]
        if (
            x >= mesh.clear_low[0]
            and x <= mesh.clear_high[0]
            and z >= mesh.clear_low[2]
            and z <= mesh.clear_high[2]
        ):
            distance = along
    return distance


@wp.func
def clear_top_weights(mesh: MeshRecord, face: int, point: wp.vec3):
    """Barycentric weights of a point in face 0 or 1, seen from above."""
    shape = wp.mesh_get(mesh.id)
    a = shape.points[shape.indices[3 * face]]
    b = shape.points[shape.indices[3 * face + 1]]
    c = shape.points[shape.indices[3 * face + 2]]
    area = (b[0] - a[0]) * (c[2] - a[2]) - (c[0] - a[0]) * (b[2] - a[2])
    of_b = ((point[0] - a[0]) * (c[2] - a[2]) - (c[0] - a[0]) * (point[2] - a[2])) / area
    of_c = ((b[0] - a[0]) * (point[2] - a[2]) - (point[0] - a[0]) * (b[2] - a[2])) / area
    return wp.vec3(1.0 - of_b - of_c, of_b, of_c)


@wp.func
def in_shadow(
    origin: wp.vec3,
    light: wp.vec3,
    scene: int,
    instances: wp.array2d(dtype=InstanceRecord),
    meshes: wp.array(dtype=MeshRecord),
):
    shadow = bool(False)
    for k in range(instances.shape[1]):
        instance = instances[scene, k]
        if instance.mesh >= 0 and instance.casts_shadow > 0 and not shadow:
            mesh = meshes[instance.mesh]
            inverse = wp.transpose(instance.rotation)
            local = inverse * (origin - instance.position) / instance.scale
            direction = inverse * light
            if not misses_sphere(local, direction, mesh.centre, mesh.radius):
                shadow = wp.mesh_query_ray_anyhit(mesh.id, local, direction, FAR)
    return shadow


@wp.func
def filmic(x: float):
    return wp.clamp(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0.0, 1.0)


@wp.kernel(enable_backward=False)
def render_pixels(
    scenes: wp.array(dtype=SceneRecord),
    instances: wp.array2d(dtype=InstanceRecord),
    meshes: wp.array(dtype=MeshRecord),
    materials: wp.array(dtype=MaterialRecord),
    textures: wp.array(dtype=TextureRecord),
    texels: wp.array(dtype=wp.vec3h),
    normals: wp.array(dtype=wp.vec3),
    coordinates: wp.array(dtype=wp.vec2),
    face_materials: wp.array(dtype=int),
    backgrounds: wp.array4d(dtype=wp.vec3h),
    reflections: wp.array4d(dtype=wp.vec3h),
    harmonics: wp.array2d(dtype=wp.vec3),
    samples: int,
    shadows: int,
    want_mask: int,
    want_depth: int,
    image: wp.array4d(dtype=wp.uint8),
    mask: wp.array3d(dtype=wp.uint8),
    depth: wp.array3d(dtype=wp.float32),
):
    s, y, x = wp.tid()
    scene = scenes[s]
    height = image.shape[1]
    width = image.shape[2]
    random = wp.rand_init(scene.seed, y * width + x)
    pixel_angle = 2.0 * scene.tangent / float(width)
    aspect = float(height) / float(width)
    total = wp.vec3(0.0)
    seen_label = int(0)
    seen_depth = float(wp.inf)

    # Mask and depth come from a pinhole ray through the pixel's centre, or blur would make
    # them ragged. With one sample and no lens the colour ray is that very ray.
    first = int(0)
    if want_mask + want_depth > 0 and (samples > 1 or scene.aperture > 0.0):
        first = -1
    for sample in range(first, samples):
        jitter_x = float(0.5)
        jitter_y = float(0.5)
        lens_x = float(0.0)
        lens_y = float(0.0)
        light = scene.light_direction
        if sample >= 0:
            if samples > 1:
                jitter_x = (float(sample) + wp.randf(random)) / float(samples)
                jitter_y = wp.randf(random)
            if scene.aperture > 0.0:
                radius = wp.sqrt(wp.randf(random)) * scene.aperture
                angle = 2.0 * PI * wp.randf(random)
                lens_x = radius * wp.cos(angle)
                lens_y = radius * wp.sin(angle)
            if scene.light_softness > 0.0:
                light = wp.normalize(
                    light
                    + wp.vec3(
                        wp.randf(random) - 0.5, wp.randf(random) - 0.5, wp.randf(random) - 0.5
                    )
                    * (2.0 * scene.light_softness)
                )
        px = ((float(x) + jitter_x) / float(width) * 2.0 - 1.0) * scene.tangent
        py = (1.0 - (float(y) + jitter_y) / float(height) * 2.0) * scene.tangent * aspect
        through = wp.vec3(px, py, -1.0) * scene.focus - wp.vec3(lens_x, lens_y, 0.0)
        origin = scene.eye + scene.camera * wp.vec3(lens_x, lens_y, 0.0)
        direction = wp.normalize(scene.camera * through)

        nearest = float(FAR)
        hit = int(-1)
        hit_face = int(0)
        hit_u = float(0.0)
        hit_v = float(0.0)
        for k in range(instances.shape[1]):
            instance = instances[s, k]
            if instance.mesh >= 0:
                mesh = meshes[instance.mesh]
                inverse = wp.transpose(instance.rotation)
                local = inverse * (origin - instance.position) / instance.scale
                local_direction = inverse * direction
                top = clear_top_distance(mesh, local, local_direction)
                if top > 0.0:
                    if top * instance.scale < nearest:
                        nearest = top * instance.scale
                        hit = k
                        hit_face = 0
                        weights = clear_top_weights(mesh, 0, local + local_direction * top)
                        if wp.min(weights) < 0.0:
                            hit_face = 1
                            weights = clear_top_weights(mesh, 1, local + local_direction * top)
                        hit_u = weights[0]
                        hit_v = weights[1]
                elif not misses_sphere(local, local_direction, mesh.centre, mesh.radius):
                    query = wp.mesh_query_ray(
                        mesh.id, local, local_direction, nearest / instance.scale
                    )
                    if query.result:
                        if query.t * instance.scale < nearest:
                            nearest = query.t * instance.scale
                            hit = k
                            hit_face = query.face
                            hit_u = query.u
                            hit_v = query.v

        if sample == first and hit >= 0:
            seen_label = instances[s, hit].label
            along = scene.camera * wp.vec3(0.0, 0.0, -1.0)
            seen_depth = nearest * wp.dot(direction, along)
        if sample >= 0:
            if hit < 0:
                uv = map_coordinates(direction, scene.environment_rotation)
                sky = sample_map(backgrounds, scene.environment, 0, uv[0], uv[1])
                total += wp.min(sky * scene.environment_intensity, wp.vec3(MAXIMUM_RADIANCE))
            else:
                instance = instances[s, hit]
                mesh = meshes[instance.mesh]
                shape = wp.mesh_get(mesh.id)
                a = mesh.first_vertex + shape.indices[3 * hit_face]
                b = mesh.first_vertex + shape.indices[3 * hit_face + 1]
                c = mesh.first_vertex + shape.indices[3 * hit_face + 2]
                w = 1.0 - hit_u - hit_v
                normal = wp.normalize(
                    instance.rotation * (normals[a] * hit_u + normals[b] * hit_v + normals[c] * w)
                )
                if wp.dot(normal, direction) > 0.0:
                    normal = -normal
                which = instance.material
                if which < 0:
                    which = mesh.first_material + face_materials[mesh.first_face + hit_face]
                material = materials[which]
                base = material.base_colour
                if material.texture >= 0:
                    uv = coordinates[a] * hit_u + coordinates[b] * hit_v + coordinates[c] * w
                    footprint = nearest * pixel_angle * mesh.texture_density / instance.scale
                    base = wp.cw_mul(
                        base,
                        sample_texture(texels, textures[material.texture], uv[0], uv[1], footprint),
                    )
                roughness = wp.max(material.roughness, 0.05)
                diffuse = base * (1.0 - material.metallic)
                specular = wp.vec3(0.04) * (1.0 - material.metallic) + base * material.metallic
                colour = (
                    environment_light(
                        normal,
                        -direction,
                        diffuse,
                        specular,
                        roughness,
                        scene,
                        reflections,
                        harmonics,
                    )
                    * scene.environment_intensity
                )
                if wp.dot(normal, light) > 0.0:
                    point = origin + direction * nearest + normal * SHADOW_OFFSET
                    shadow = bool(False)
                    if shadows > 0:
                        shadow = in_shadow(point, light, s, instances, meshes)
                    if not shadow:
                        colour += wp.cw_mul(
                            direct_light(normal, -direction, light, diffuse, specular, roughness),
                            scene.light_colour,
                        )
                total += wp.min(colour, wp.vec3(MAXIMUM_RADIANCE))

    exposed = total * (scene.exposure / float(samples))
    for channel in range(3):
        value = wp.pow(filmic(exposed[channel]), 1.0 / 2.2)
        image[s, y, x, channel] = wp.uint8(value * 255.0 + 0.5)
    if want_mask > 0:
        mask[s, y, x] = wp.uint8(seen_label)
    if want_depth > 0:
        depth[s, y, x] = seen_depth
